# mypy: disable-error-code="valid-type,untyped-decorator"
"""Linear layer with INT4 weights and int8 activations, summed in int32 inside a group and in float32 over groups.

out = bias + Σ over weight groups of scale_w · Σ over activation groups of scale_x · (Σ code · q − zero · Σ q)
"""

import numpy as np
import numpy.typing as npt
from tvm.script import tirx as T

from tytvm.kernels.kernel import Kernel, KernelTarget, Specialization, WorkKind, symbol
from tytvm.kernels.linear import int4_weight
from tytvm.kernels.linear.int4_weight import CODES, FEW_ROWS, nibbles, prefetch_weight
from tytvm.kernels.linear.int8_accumulators import Int8Accumulators
from tytvm.kernels.linear.int8_group import int8_group
from tytvm.kernels.linear.register_tile import Accumulators, RegisterTile, store, tile_of
from tytvm.kernels.operands.encoding import Int8
from tytvm.kernels.operators import Linear
from tytvm.kernels.primitives.cost import Cost, size
from tytvm.kernels.primitives.expressions import Buffer, PrimFunc, Scalar, Vector
from tytvm.kernels.primitives.vector import add, fill, horizontal_reduce, lanes_of, materialize, of, span, zeros
from tytvm.kernels.row_count import passes
from tytvm.target import InstructionSet
from tytvm.weights import W4

TILES = {64: (16, 2), 32: (4, 1), 16: (8, 1)}
"""By bytes of a register: accumulators, and the fewest blocks side by side; see docs/log/linear_kernels.md."""


def build(
    spec: InstructionSet,
    R: int,
    K: int,
    N: int,
    group: int,
    activation_group: int,
    with_bias: bool = False,
    counted: bool = False,
) -> PrimFunc:
    """(q i8[R,K], scale f32[R,K/a], sum i32[R,K/a], weight, wscale, wzero, [bias f32[N]], out f32[R,N]).

    Args:
        spec: The CPU.
        R: Rows of activations.
        K: Inputs.
        N: Outputs.
        group: Inputs that share a scale of the weight; divides K.
        activation_group: Inputs that share a scale of the activations (a above); divides `group`.
        with_bias: Whether there is a bias.
        counted: Whether the number of rows in use, i64[1], comes first; the others are left as they are.
    """
    accumulators, fewest_blocks = TILES[spec.vector_bytes]
    tile = tile_of(accumulators, R, N, fewest_blocks)
    packed = int4_weight.shapes(K, N, group)
    parts, steps, groups = group // activation_group, activation_group // CODES, K // activation_group

    @T.jit(private=True)
    def linear_w4a8(
        row_count: T.Optional(T.Buffer((1,), "int64")),
        q: T.Buffer((R, K), "int8"),
        scale: T.Buffer((R, groups), "float32"),
        total: T.Buffer((R, groups), "int32"),
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
                    scaled = T.meta_var(Accumulators(tile))
                    scaled.clear()
                    for p in range(parts):
                        dots = T.meta_var(Int8Accumulators(spec, tile, activation_group))
                        dots.clear()
                        for chunk in range(activation_group // dots.inputs):
                            for k in range(dots.inputs // CODES):
                                first: T.let = (g * parts + p) * steps + chunk * (dots.inputs // CODES)
                                multiply_add(tile, dots, q, weight, first + k, across, down)
                            dots.widen()
                        rescale(tile, scaled, dots, scale, g * parts + p, down)
                    shifts = T.meta_var(
                        [shift(scale, total, tile.row(down, r), g * parts, parts) for r in range(tile.rows)]
                    )
                    finish_group(tile, sums, scaled, shifts, wscale, wzero, g, across)
                store(tile, sums, bias, out, across, down)

    absent = ({} if with_bias else {"bias": None}) | ({} if counted else {"row_count": None})
    return linear_w4a8.specialize(**absent)


def multiply_add(
    tile: RegisterTile, dots: Int8Accumulators, q: Buffer, weight: Buffer, k: Scalar, across: Scalar, down: Scalar
) -> None:
    """Adds the products of eight inputs, those of row `k` of the weight."""
    if tile.R <= FEW_ROWS:
        for b in range(tile.blocks):
            prefetch_weight(weight, tile.block(across, b), k)
    halves = [nibbles(weight, tile.block(across, b), k) for b in range(tile.blocks)]
    for r in range(tile.rows):
        for half in range(2):
            four = q[tile.row(down, r), span(k * CODES + half * 4, 4)]
            x = materialize(fill(T.reinterpret("int32", four)), "int32")
            for b in range(tile.blocks):
                dots.accumulate((r, b), halves[b][half], x)


def rescale(
    tile: RegisterTile, scaled: Accumulators, dots: Int8Accumulators, scale: Buffer, p: Scalar, down: Scalar
) -> None:
    """Adds a finished group of activations: scaled += scale_x · dots."""
    for r in range(tile.rows):
        factor = materialize(fill(scale[tile.row(down, r), p]))
        for b in range(tile.blocks):
            scaled[r, b] = scaled[r, b] + T.cast(dots[r, b], of("float32")) * factor


def shift(scale: Buffer, total: Buffer, row: Scalar, start: Scalar, parts: int) -> Scalar:
    """Σ scale_x · Σ q over the groups of activations in a group of the weight."""
    lanes = lanes_of(parts)
    products = zeros("float32", lanes)
    for i in range(parts // lanes):
        at = span(start + i * lanes, lanes)
        products = materialize(
            products + scale[row, at] * T.cast(total[row, at], of("float32", lanes)), "float32", lanes
        )
    return horizontal_reduce(add, products, "float32", lanes)


def finish_group(
    tile: RegisterTile,
    sums: Accumulators,
    scaled: Accumulators,
    shifts: list[Vector],
    wscale: Buffer,
    wzero: Buffer,
    g: Scalar,
    across: Scalar,
) -> None:
    """Adds a finished group of the weight: sums += scale_w · (scaled − zero · shift)."""
    for b in range(tile.blocks):
        block = tile.block(across, b)
        factor = materialize(T.cast(wscale[block, g, span(0)], of("float32")))
        zero = materialize(T.cast(wzero[block, g, span(0)], of("float32")))
        for r in range(tile.rows):
            centered = materialize(scaled[r, b] - zero * fill(shifts[r]))
            sums[r, b] = sums[r, b] + factor * centered


def reference(
    q: npt.NDArray[np.int8],
    scale: npt.NDArray[np.float32],
    codes: npt.NDArray[np.uint8],
    wscale: npt.NDArray[np.float16],
    wzero: npt.NDArray[np.uint8],
    bias: npt.NDArray[np.float32] | None = None,
) -> npt.NDArray[np.float32]:
    """In NumPy, in float64, of an unpacked weight: activations and weight made floats, then multiplied.

    Args:
        q: i8[R,K].
        scale: f32[R,K/a], of the activations.
        codes: u8[N,K] of 0..15.
        wscale: f16[N,K/group].
        wzero: u8[N,K/group].
        bias: f32[N].

    Returns:
        f32[R,N].
    """
    x = q * np.repeat(scale.astype(np.float64), q.shape[1] // scale.shape[1], axis=1)
    out = x @ int4_weight.dequantize(codes, wscale, wzero).astype(np.float64).T
    return np.asarray(out if bias is None else out + bias, np.float32)


def cost(
    R: int, K: int, N: int, group: int, activation_group: int, with_bias: bool = False, counted: bool = False
) -> Cost:
    """Operations and bytes."""
    activations = size("int8", R, K) + 2 * size("float32", R, K // activation_group)
    read = activations + int4_weight.size_of(K, N, group) + size("float32", N * with_bias)
    operations = {"int8": 2 * R * K * N, "float32": R * N * (2 * K // activation_group + 4 * K // group)}
    return Cost(operations, read, size("float32", R, N))


def accepts(target: KernelTarget, linear: Linear) -> Specialization | None:
    """INT4 weights where activations are int8."""
    if not isinstance(linear.weight, W4) or not target.int8_activations:
        return None
    shape = (linear.rows, linear.weight.in_features, linear.weight.out_features, linear.weight.group_size)
    inputs = Int8(int8_group(linear.weight))
    name = symbol("linear_w4a8", *shape, bias=linear.has_bias)
    return Specialization(
        name, (*shape, inputs.group, linear.has_bias, target.counts_rows), inputs, counted=target.counts_rows
    )


KERNEL = Kernel(Linear, accepts, build, cost, reference, WorkKind.WEIGHT_PRODUCT, int4_weight.LAYOUT)
