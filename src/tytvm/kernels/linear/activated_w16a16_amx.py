# mypy: disable-error-code="valid-type,untyped-decorator"
"""Linear layer and its activation in one, for many rows on AMX: activation(x · weightᵀ + bias), as bfloat16 tiles."""

from functools import partial

import numpy as np
import numpy.typing as npt
from tvm.script import tirx as T

from tytvm.kernels.kernel import Kernel, KernelTarget, Specialization, WorkKind, symbol
from tytvm.kernels.linear import bfloat16_tile_product, float16_weight, linear_w16a16_amx
from tytvm.kernels.linear.bfloat16_tile_product import Bfloat16TileProduct, PanelSums, bias_of, each_row
from tytvm.kernels.operands.encoding import Bfloat16
from tytvm.kernels.operators import ActivatedLinear
from tytvm.kernels.primitives import amx
from tytvm.kernels.primitives.amx import DEPTH, SIDE
from tytvm.kernels.primitives.cost import Cost, size
from tytvm.kernels.primitives.expressions import Buffer, PrimFunc, Scalar
from tytvm.kernels.primitives.vector import LANES, ceildiv, materialize, span
from tytvm.kernels.rowwise import activation
from tytvm.target import InstructionSet


def build(spec: InstructionSet, R: int, K: int, N: int, kind: str, with_bias: bool = False) -> PrimFunc:
    """(x u16[ceil(R/16),ceil(K/32),16,32], weight f16[ceil(N/16),K,16], [bias f32[N]], out).

    Args:
        spec: The CPU; it has tiles.
        R: Rows of activations, bfloat16 in left tiles.
        K: Inputs.
        N: Outputs; `out` is u16 [ceil(R/16),ceil(N/32),16,32], where outputs from N on are finite.
        kind: One of `activation.KINDS`.
        with_bias: Whether there is a bias.
    """
    shape = Bfloat16TileProduct(R, K, ceildiv(N, 2 * SIDE))

    @T.jit(private=True)
    def activated_w16a16_amx(
        x: T.Buffer((shape.row_tiles, shape.steps, SIDE, DEPTH), "uint16"),
        weight: T.Buffer((ceildiv(N, LANES), K, LANES), "float16"),
        bias: T.Optional(T.Buffer((N,), "float32")),
        out: T.Buffer((shape.row_tiles, shape.pairs, SIDE, DEPTH), "uint16"),
    ) -> None:
        for chunk in T.parallel(shape.chunks):
            memory = T.meta_var(shape.sums())
            decode = T.meta_var(
                lambda right, place, pair, b: bfloat16_tile_product.decode(right, place, b, weight, 2 * pair + b)
            )
            finish = T.meta_var(partial(write, spec, kind, memory, bias, N, out))
            shape.multiply(chunk, x, decode, bfloat16_tile_product.clear, finish)

    return activated_w16a16_amx.specialize() if with_bias else activated_w16a16_amx.specialize(bias=None)


def write(
    spec: InstructionSet, kind: str, memory: Buffer, bias: Buffer | None, N: int, out: Buffer, sums: PanelSums
) -> None:
    """Writes the activations of a panel's and a pair's sums."""
    biases = [bias_of(bias, 2 * sums.pair + b, N) for b in range(2)]

    def row(a: int, r: Scalar) -> None:
        values = [memory[2 * a + b, r, span(0)] + biases[b] for b in range(2)]
        values = [materialize(activation.apply(spec, kind, value, LANES)) for value in values]
        T.buffer_store(out, amx.bfloat16(*values), [sums.tile + a, sums.pair, r, span(0, DEPTH)])

    each_row(sums, memory, row)


def reference(
    x: npt.NDArray[np.float32],
    weight: npt.NDArray[np.float16],
    bias: npt.NDArray[np.float32] | None,
    kind: str,
) -> npt.NDArray[np.float32]:
    """In NumPy, before rounding: x f32[R,K], weight f16[N,K], bias f32[N] → f32[R,N]."""
    return activation.reference(linear_w16a16_amx.reference(x, weight, bias), kind)


def cost(R: int, K: int, N: int, kind: str, with_bias: bool = False) -> Cost:
    """Operations and bytes."""
    read = size("uint16", R, K) + size("float16", ceildiv(N, LANES), K, LANES) + size("float32", N * with_bias)
    return Cost({"bfloat16": 2 * R * K * N, "float32": 20 * R * N}, read, size("uint16", R, N))


def accepts(target: KernelTarget, linear: ActivatedLinear) -> Specialization | None:
    """float16 weights and many rows on a CPU with tiles, where the result too goes to such a product."""
    if not target.uses_tiles(linear.rows) or not isinstance(linear.encoding, Bfloat16):
        return None
    shape = (linear.rows, linear.weight.in_features, linear.weight.out_features)
    name = symbol(f"{linear.activation}_w16a16_amx", *shape, bias=linear.has_bias)
    return Specialization(name, (*shape, linear.activation, linear.has_bias), Bfloat16())


KERNEL = Kernel(ActivatedLinear, accepts, build, cost, reference, WorkKind.WEIGHT_PRODUCT, float16_weight.LAYOUT)
