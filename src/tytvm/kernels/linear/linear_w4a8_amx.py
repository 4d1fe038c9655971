# mypy: disable-error-code="valid-type,untyped-decorator"
"""Linear layer with INT4 weights and many rows of int8 activations, on AMX tiles."""

from functools import partial

from tvm.script import tirx as T

from tytvm.kernels.kernel import Kernel, KernelTarget, Specialization, WorkKind, symbol
from tytvm.kernels.linear import int4_weight
from tytvm.kernels.linear.int8_group import int8_group
from tytvm.kernels.linear.int8_tile_product import Int8TileProduct, ProductScratch, WeightBlock, multiply
from tytvm.kernels.linear.linear_w4a8 import reference
from tytvm.kernels.operands.encoding import Int8
from tytvm.kernels.operators import Linear
from tytvm.kernels.primitives.amx import BYTES, SIDE
from tytvm.kernels.primitives.cost import Cost, size
from tytvm.kernels.primitives.expressions import Buffer, PrimFunc, Scalar, Vector
from tytvm.kernels.primitives.vector import LANES, ceildiv, span
from tytvm.target import InstructionSet
from tytvm.weights import W4, W16

_CHUNK = 8  # pairs of blocks: as often is a slice of the rows read from the second cache before the next one comes
_FEW = 2  # pairs of blocks where that cache holds all rows anyway
_RESIDENT = 1 << 20  # bytes of rows for which it does


def build(
    spec: InstructionSet, R: int, K: int, N: int, group: int, activation_group: int, with_bias: bool = False
) -> PrimFunc:
    """(q i8[ceil(R/16),K/64,16,64], scale f32[R,K/a], weight, wscale, wzero, [bias f32[N]], out f32[R,N]).

    Args:
        spec: The CPU; it has tiles.
        R: Rows of activations; their codes are in left tiles, where rows from R on may hold anything.
        K: Inputs.
        N: Outputs.
        group: Inputs that share a scale of the weight; divides K.
        activation_group: Inputs that share a scale of the activations (a above); a multiple of 64 that divides `group`.
        with_bias: Whether there is a bias.
    """
    shape = shape_of(R, K, N, group, activation_group)
    packed = int4_weight.shapes(K, N, group)

    @T.jit(private=True)
    def linear_w4a8_amx(
        q: T.Buffer((ceildiv(R, SIDE), K // BYTES, SIDE, BYTES), "int8"),
        scale: T.Buffer((R, K // activation_group), "float32"),
        weight: T.Buffer(packed["weight"], "uint8"),
        wscale: T.Buffer(packed["scale"], "float16"),
        wzero: T.Buffer(packed["zero"], "uint8"),
        bias: T.Optional(T.Buffer((N,), "float32")),
        out: T.Buffer((R, N), "float32"),
    ) -> None:
        for chunk in T.parallel(shape.chunks):
            memory = T.meta_var(ProductScratch.of(shape))
            blocks = T.meta_var(
                lambda pair: [WeightBlock(weight, wscale, wzero, block_of(N, pair, b), 2) for b in range(2)]
            )
            multiply(shape, memory, chunk, q, scale, blocks, partial(write, N, bias, out, chunk * shape.chunk))

    return linear_w4a8_amx.specialize() if with_bias else linear_w4a8_amx.specialize(bias=None)


def shape_of(R: int, K: int, N: int, group: int, activation_group: int) -> Int8TileProduct:
    """How the product is blocked; the number of chunks is even, for two workers."""
    pairs = ceildiv(N, 2 * LANES)
    room = Int8TileProduct(R, K, pairs, 1, group, activation_group).room
    most = min(_FEW if R * K <= _RESIDENT else _CHUNK, room)
    return Int8TileProduct(R, K, pairs, ceildiv(pairs, 2 * ceildiv(pairs, 2 * most)), group, activation_group)


def block_of(N: int, pair: Scalar, b: int) -> Scalar:
    """Block `b` of a pair; one that does not exist is the last one again."""
    blocks = ceildiv(N, LANES)
    return T.min(2 * pair + b, blocks - 1) if blocks % 2 else 2 * pair + b


def write(
    N: int, bias: Buffer | None, out: Buffer, first: Scalar, place: Scalar, m: Scalar, b: int, sums: list[Vector]
) -> None:
    """Writes the sums of a tile's rows, plus the bias if any, leaving out channels from N on.

    The pair of blocks is the one at `place` of the chunk whose first one is `first`.
    """
    start, rest = block_of(N, first + place, b) * LANES, N % LANES
    for r, value in enumerate(sums):
        row = m * SIDE + r
        if not rest:
            T.buffer_store(out, value if bias is None else value + bias[span(start)], [row, span(start)])
            continue
        with T.If(start + LANES <= N):
            with T.Then():
                T.buffer_store(out, value if bias is None else value + bias[span(start)], [row, span(start)])
            with T.Else():
                for lane in range(rest):
                    one, channel = T.Shuffle([value], [lane]), N - rest + lane
                    T.buffer_store(out, one if bias is None else one + bias[channel], [row, channel])


def cost(R: int, K: int, N: int, group: int, activation_group: int, with_bias: bool = False) -> Cost:
    """Operations and bytes."""
    activations = size("int8", R, K) + size("float32", R, K // activation_group)
    read = activations + int4_weight.size_of(K, N, group) + size("float32", N * with_bias)
    return Cost({"int8": 2 * R * K * N, "float32": 3 * R * N * K // activation_group}, read, size("float32", R, N))


def accepts(target: KernelTarget, linear: Linear) -> Specialization | None:
    """INT4 weights and int8 activations, of many rows on a CPU with tiles; groups are whole tiles."""
    inputs = inputs_of(target, linear.rows, linear.weight)
    if inputs is None or not isinstance(linear.weight, W4):
        return None
    shape = (linear.rows, linear.weight.in_features, linear.weight.out_features, linear.weight.group_size)
    name = symbol("linear_w4a8_amx", *shape, bias=linear.has_bias)
    return Specialization(name, (*shape, inputs.group, linear.has_bias), inputs)


def inputs_of(target: KernelTarget, rows: int, weight: W4 | W16) -> Int8 | None:
    """The encoding of the activations; None where they do not go through int8 tiles."""
    if not isinstance(weight, W4) or not target.uses_tiles(rows) or int8_group(weight) % BYTES:
        return None
    return Int8(int8_group(weight), tiled=True)


KERNEL = Kernel(Linear, accepts, build, cost, reference, WorkKind.WEIGHT_PRODUCT, int4_weight.LAYOUT)
