# mypy: disable-error-code="valid-type,untyped-decorator"
"""SwiGLU's two float16 layers and its gate in one, for many rows on AMX: silu(x · gateᵀ + b) · (x · upᵀ + c), in tiles.

A pair of blocks is a block of the gate and the same one of `up`.
"""

from functools import partial

import numpy as np
import numpy.typing as npt
from tvm.script import tirx as T

from tytvm.kernels.kernel import Kernel, KernelTarget, Specialization, WorkKind, symbol
from tytvm.kernels.linear import bfloat16_tile_product, float16_weight, linear_w16a16_amx
from tytvm.kernels.linear.bfloat16_tile_product import Bfloat16TileProduct, PanelSums, bias_of, each_row
from tytvm.kernels.operands.encoding import Bfloat16
from tytvm.kernels.operators import GatedLinear
from tytvm.kernels.primitives import amx
from tytvm.kernels.primitives.amx import DEPTH, SIDE
from tytvm.kernels.primitives.cost import Cost, size
from tytvm.kernels.primitives.expressions import Buffer, PrimFunc, Scalar
from tytvm.kernels.primitives.vector import LANES, ceildiv, materialize, span, zeros
from tytvm.kernels.rowwise.activation import silu
from tytvm.target import InstructionSet
from tytvm.weights import W16

Layer = tuple[npt.NDArray[np.float16], npt.NDArray[np.float32] | None]


def build(spec: InstructionSet, R: int, K: int, N: int, with_bias: bool = False) -> PrimFunc:
    """(x u16[ceil(R/16),ceil(K/32),16,32], gate f16[ceil(N/16),K,16], [its bias f32[N]], up, [its bias], out).

    Args:
        spec: The CPU; it has tiles.
        R: Rows of activations, bfloat16 in left tiles.
        K: Inputs.
        N: Outputs; `out` is u16 [ceil(R/16),ceil(N/32),16,32], where outputs from N on are finite.
        with_bias: Whether both layers have a bias.
    """
    shape = Bfloat16TileProduct(R, K, ceildiv(N, LANES))

    @T.jit(private=True)
    def gated_w16a16_amx(
        x: T.Buffer((shape.row_tiles, shape.steps, SIDE, DEPTH), "uint16"),
        gate: T.Buffer((shape.pairs, K, LANES), "float16"),
        gate_bias: T.Optional(T.Buffer((N,), "float32")),
        up: T.Buffer((shape.pairs, K, LANES), "float16"),
        up_bias: T.Optional(T.Buffer((N,), "float32")),
        out: T.Buffer((shape.row_tiles, ceildiv(N, DEPTH), SIDE, DEPTH), "uint16"),
    ) -> None:
        for chunk in T.parallel(shape.chunks):
            memory = T.meta_var(shape.sums())
            decode = T.meta_var(
                lambda right, place, pair, b: bfloat16_tile_product.decode(right, place, b, up if b else gate, pair)
            )
            finish = T.meta_var(partial(write, spec, memory, (gate_bias, up_bias), N, out))
            shape.multiply(chunk, x, decode, bfloat16_tile_product.clear, finish)

    if with_bias:
        return gated_w16a16_amx.specialize()
    return gated_w16a16_amx.specialize(gate_bias=None, up_bias=None)


def write(
    spec: InstructionSet,
    memory: Buffer,
    biases: tuple[Buffer | None, Buffer | None],
    N: int,
    out: Buffer,
    sums: PanelSums,
) -> None:
    """Writes the gated values of a panel and a block: half a row of a tile."""
    gate_bias, up_bias = (bias_of(bias, sums.pair, N) for bias in biases)
    last = ceildiv(N, LANES) - 1

    def row(a: int, r: Scalar) -> None:
        gate = silu(spec, memory[2 * a, r, span(0)] + gate_bias, LANES)
        value = materialize(gate * (memory[2 * a + 1, r, span(0)] + up_bias))
        both = materialize(amx.bfloat16(value, zeros()), "uint16", DEPTH)
        at = [sums.tile + a, sums.pair // 2, r]
        half = T.vectorlow("uint16x16", both)
        T.buffer_store(out, half, [*at, span(sums.pair % 2 * LANES)])
        if last % 2 == 0:  # nobody else writes the second half of the last tile
            with T.If(sums.pair == last), T.Then():
                T.buffer_store(out, both, [*at, span(0, DEPTH)])

    each_row(sums, memory, row)


def reference(x: npt.NDArray[np.float32], gate: Layer, up: Layer) -> npt.NDArray[np.float32]:
    """In NumPy, before rounding: x f32[R,K]; each layer is a weight f16[N,K] and its bias f32[N] → f32[R,N]."""
    g, u = (linear_w16a16_amx.reference(x, *layer).astype(np.float64) for layer in (gate, up))
    return np.asarray(g / (1 + np.exp(-g)) * u, np.float32)


def cost(R: int, K: int, N: int, with_bias: bool = False) -> Cost:
    """Operations and bytes."""
    read = size("uint16", R, K) + 2 * size("float16", ceildiv(N, LANES), K, LANES) + 2 * size("float32", N * with_bias)
    return Cost({"bfloat16": 4 * R * K * N, "float32": 20 * R * N}, read, size("uint16", R, N))


def accepts(target: KernelTarget, linear: GatedLinear) -> Specialization | None:
    """float16 weights and many rows on a CPU with tiles, where the result too goes to such a product."""
    if not isinstance(linear.weight, W16) or not isinstance(linear.encoding, Bfloat16):
        return None
    if not target.uses_tiles(linear.rows):
        return None
    shape = (linear.rows, linear.weight.in_features, linear.weight.out_features)
    name = symbol("gated_w16a16_amx", *shape, bias=linear.has_bias)
    return Specialization(name, (*shape, linear.has_bias), Bfloat16())


KERNEL = Kernel(GatedLinear, accepts, build, cost, reference, WorkKind.WEIGHT_PRODUCT, float16_weight.LAYOUT)
