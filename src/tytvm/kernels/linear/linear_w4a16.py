# mypy: disable-error-code="valid-type,untyped-decorator"
"""Linear layer with INT4 weights and float32 activations: Σ over groups of scale · (Σ code · x − zero · Σ x)."""

import numpy as np
import numpy.typing as npt
from tvm.script import tirx as T

from tytvm.kernels.kernel import Kernel, KernelTarget, Specialization, WorkKind, symbol
from tytvm.kernels.linear import int4_weight
from tytvm.kernels.linear.int4_weight import CODES, FEW_ROWS, ROW, floats, prefetch_weight
from tytvm.kernels.linear.register_tile import Accumulators, RegisterTile, store, tile_of
from tytvm.kernels.operators import Linear
from tytvm.kernels.primitives.cost import Cost, size
from tytvm.kernels.primitives.expressions import Buffer, PrimFunc, Scalar
from tytvm.kernels.primitives.vector import LANES, add, fill, horizontal_reduce, materialize, of, span, zeros
from tytvm.kernels.row_count import passes
from tytvm.target import InstructionSet
from tytvm.weights import W4


def build(
    spec: InstructionSet, R: int, K: int, N: int, group: int, with_bias: bool = False, counted: bool = False
) -> PrimFunc:
    """(x f32[R,K], weight, wscale, wzero, [bias f32[N]], out f32[R,N]); `group` is a multiple of 16 that divides K."""
    tile = tile_of(spec.accumulators, R, N)
    packed = int4_weight.shapes(K, N, group)

    @T.jit(private=True)
    def linear_w4a16(
        row_count: T.Optional(T.Buffer((1,), "int64")),
        x: T.Buffer((R, K), "float32"),
        weight: T.Buffer(packed["weight"], "uint8"),
        wscale: T.Buffer(packed["scale"], "float16"),
        wzero: T.Buffer(packed["zero"], "uint8"),
        bias: T.Optional(T.Buffer((N,), "float32")),
        out: T.Buffer((R, N), "float32"),
    ) -> None:
        for across in T.parallel(tile.across):
            for down in T.serial(passes(row_count, tile.rows, tile.down)):
                sums = T.meta_var(Accumulators(tile))
                sums.clear()
                for g in range(K // group):
                    dots = T.meta_var(Accumulators(tile))
                    dots.clear()
                    for k in range(group // CODES):
                        multiply_add(spec, tile, dots, x, weight, g * (group // CODES) + k, across, down)
                    finish_group(tile, sums, dots, x, wscale, wzero, group, g, across, down)
                store(tile, sums, bias, out, across, down)

    absent = ({} if with_bias else {"bias": None}) | ({} if counted else {"row_count": None})
    return linear_w4a16.specialize(**absent)


def multiply_add(
    spec: InstructionSet,
    tile: RegisterTile,
    dots: Accumulators,
    x: Buffer,
    weight: Buffer,
    k: Scalar,
    across: Scalar,
    down: Scalar,
) -> None:
    """Adds the products of eight inputs, those of row `k` of the weight."""
    if tile.R <= FEW_ROWS:
        for b in range(tile.blocks):
            prefetch_weight(weight, tile.block(across, b), k)
    loads = [weight[tile.block(across, b), k, span(0, ROW)] for b in range(tile.blocks)]
    words = [materialize(T.reinterpret("int32x16", load), "int32") for load in loads]
    for i in range(CODES):
        codes = [floats(spec, word, i) for word in words]
        for r in range(tile.rows):
            value = materialize(fill(x[tile.row(down, r), k * CODES + i]))
            for b in range(tile.blocks):
                dots[r, b] = dots[r, b] + codes[b] * value


def finish_group(
    tile: RegisterTile,
    sums: Accumulators,
    dots: Accumulators,
    x: Buffer,
    wscale: Buffer,
    wzero: Buffer,
    group: int,
    g: Scalar,
    across: Scalar,
    down: Scalar,
) -> None:
    """Adds a finished group: sums += scale · (dots − zero · Σ x)."""
    shifts = [fill(_sum(x, tile.row(down, r), g * group, group)) for r in range(tile.rows)]
    for b in range(tile.blocks):
        block = tile.block(across, b)
        factor = materialize(T.cast(wscale[block, g, span(0)], of("float32")))
        zero = materialize(T.cast(wzero[block, g, span(0)], of("float32")))
        for r in range(tile.rows):
            centered = materialize(dots[r, b] - zero * shifts[r])
            sums[r, b] = sums[r, b] + factor * centered


def _sum(x: Buffer, row: Scalar, start: Scalar, count: int) -> Scalar:
    """The sum of `count` neighbors in a row, a multiple of sixteen."""
    total = zeros()
    for i in range(count // LANES):
        total = materialize(total + x[row, span(start + i * LANES)])
    return horizontal_reduce(add, total)


def reference(
    x: npt.NDArray[np.float32],
    codes: npt.NDArray[np.uint8],
    wscale: npt.NDArray[np.float16],
    wzero: npt.NDArray[np.uint8],
    bias: npt.NDArray[np.float32] | None = None,
) -> npt.NDArray[np.float32]:
    """In NumPy, in float64, of an unpacked weight.

    Args:
        x: f32[R,K].
        codes: u8[N,K] of 0..15.
        wscale: f16[N,K/group].
        wzero: u8[N,K/group].
        bias: f32[N].

    Returns:
        f32[R,N].
    """
    out = x.astype(np.float64) @ int4_weight.dequantize(codes, wscale, wzero).astype(np.float64).T
    return np.asarray(out if bias is None else out + bias, np.float32)


def cost(R: int, K: int, N: int, group: int, with_bias: bool = False, counted: bool = False) -> Cost:
    """Operations and bytes."""
    read = size("float32", R, K) + int4_weight.size_of(K, N, group) + size("float32", N * with_bias)
    return Cost({"float32": 2 * R * K * N + 4 * R * N * K // group}, read, size("float32", R, N))


def accepts(target: KernelTarget, linear: Linear) -> Specialization | None:
    """INT4 weights, on any CPU."""
    if not isinstance(linear.weight, W4):
        return None
    shape = (linear.rows, linear.weight.in_features, linear.weight.out_features, linear.weight.group_size)
    arguments = (*shape, linear.has_bias, target.counts_rows)
    return Specialization(symbol("linear_w4a16", *shape, bias=linear.has_bias), arguments, counted=target.counts_rows)


KERNEL = Kernel(Linear, accepts, build, cost, reference, WorkKind.WEIGHT_PRODUCT, int4_weight.LAYOUT)
