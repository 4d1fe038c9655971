# mypy: disable-error-code="valid-type,untyped-decorator"
"""Linear layer with float16 weights and many rows, both rounded to bfloat16, on AMX tiles; summed in float32."""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from tvm.script import tirx as T

from tytvm.kernels.kernel import Kernel, KernelTarget, Specialization, WorkKind, symbol
from tytvm.kernels.linear import bfloat16_tile_product, float16_weight
from tytvm.kernels.linear.bfloat16_tile_product import Bfloat16TileProduct, PanelSums, sizes
from tytvm.kernels.operands.encoding import Bfloat16
from tytvm.kernels.operators import Linear
from tytvm.kernels.primitives import amx
from tytvm.kernels.primitives.amx import DEPTH, SIDE
from tytvm.kernels.primitives.cost import Cost, size
from tytvm.kernels.primitives.expressions import Buffer, PrimFunc
from tytvm.kernels.primitives.vector import LANES, ceildiv
from tytvm.target import InstructionSet
from tytvm.weights import W16


def build(spec: InstructionSet, R: int, K: int, N: int, with_bias: bool = False) -> PrimFunc:
    """(x u16[ceil(R/16),ceil(K/32),16,32], weight f16[ceil(N/16),K,16], [bias f32[N]], out f32[R,N]).

    Args:
        spec: The CPU; it has tiles.
        R: Rows of activations; they are bfloat16 in left tiles, where rows from R on may hold anything.
        K: Inputs; in the tiles those from K on are zeros.
        N: Outputs.
        with_bias: Whether there is a bias.
    """
    shape = Bfloat16TileProduct(R, K, ceildiv(N, 2 * SIDE))

    @T.jit(private=True)
    def linear_w16a16_amx(
        x: T.Buffer((shape.row_tiles, shape.steps, SIDE, DEPTH), "uint16"),
        weight: T.Buffer((ceildiv(N, LANES), K, LANES), "float16"),
        bias: T.Optional(T.Buffer((N,), "float32")),
        out: T.Buffer((R, N), "float32"),
    ) -> None:
        for chunk in T.parallel(shape.chunks):
            decode = T.meta_var(
                lambda right, place, pair, b: bfloat16_tile_product.decode(right, place, b, weight, 2 * pair + b)
            )
            begin = T.meta_var(lambda sums: start(sums, bias, N))
            finish = T.meta_var(lambda sums: store(sums, out, N))
            shape.multiply(chunk, x, decode, begin, finish)

    return linear_w16a16_amx.specialize() if with_bias else linear_w16a16_amx.specialize(bias=None)


def start(sums: PanelSums, bias: Buffer | None, N: int) -> None:
    """Sets a pair's sums to the bias; where the channels end within the pair, its tiles become smaller."""

    def begin(blocks: int) -> None:
        for (_, b), number in sums.numbers(blocks).items():
            if bias is None:
                amx.clear(number)
            else:
                amx.load(number, bias, [(2 * sums.pair + b) * SIDE], 0)

    _whole_or_edge(sums, N, begin, before=lambda channels: amx.start(sums.rows, channels))


def store(sums: PanelSums, out: Buffer, N: int) -> None:
    """Writes a pair's sums into `out` [R, N]."""

    def write(blocks: int) -> None:
        for (a, b), number in sums.numbers(blocks).items():
            amx.store(number, out, [(sums.tile + a) * SIDE, (2 * sums.pair + b) * SIDE], 4 * N)

    _whole_or_edge(sums, N, write, after=lambda: amx.start(sums.rows))


def _whole_or_edge(
    sums: PanelSums,
    N: int,
    act: Callable[[int], None],
    before: Callable[[tuple[int, ...]], None] = lambda channels: None,
    after: Callable[[], None] = lambda: None,
) -> None:
    """Acts on both blocks of a pair, or on those that there are of the last one, between `before` and `after`."""
    edge = sizes(N % (2 * SIDE))
    if not edge:
        act(2)
        return
    with T.If(sums.pair < N // (2 * SIDE)):
        with T.Then():
            act(2)
        with T.Else():
            before((*edge, SIDE)[:2])
            act(len(edge))
            after()


def reference(
    x: npt.NDArray[np.float32], weight: npt.NDArray[np.float16], bias: npt.NDArray[np.float32] | None = None
) -> npt.NDArray[np.float32]:
    """In NumPy, factors rounded, summed in float64: x f32[R,K], weight f16[N,K], bias f32[N] → f32[R,N]."""
    out = rounded(x).astype(np.float64) @ rounded(weight.astype(np.float32)).T
    return np.asarray(out if bias is None else out + bias, np.float32)


def rounded(x: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """The nearest bfloat16 of each value, ties to even, as float32 of the same shape."""
    bits = x.view(np.uint32)
    return ((bits + np.uint32(0x7FFF) + (bits >> 16 & 1)) & np.uint32(0xFFFF0000)).view(np.float32)


def cost(R: int, K: int, N: int, with_bias: bool = False) -> Cost:
    """Operations and bytes."""
    read = size("uint16", R, K) + size("float16", ceildiv(N, LANES), K, LANES) + size("float32", N * with_bias)
    return Cost({"bfloat16": 2 * R * K * N}, read, size("float32", R, N))


def accepts(target: KernelTarget, linear: Linear) -> Specialization | None:
    """float16 weights and many rows on a CPU with tiles, where factors may be rounded."""
    if not isinstance(linear.weight, W16) or not target.uses_tiles(linear.rows):
        return None
    shape = (linear.rows, linear.weight.in_features, linear.weight.out_features)
    name = symbol("linear_w16a16_amx", *shape, bias=linear.has_bias)
    return Specialization(name, (*shape, linear.has_bias), Bfloat16())


KERNEL = Kernel(Linear, accepts, build, cost, reference, WorkKind.WEIGHT_PRODUCT, float16_weight.LAYOUT)
