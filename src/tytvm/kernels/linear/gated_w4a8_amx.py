# mypy: disable-error-code="valid-type,untyped-decorator"
"""SwiGLU's two linear layers and its gate in one, for many rows: silu(x · gateᵀ) · (x · upᵀ), quantized on the way.

A chunk is a group of the outputs: when its last slice is done, so are the values that share a scale.
"""

from functools import partial

import numpy as np
import numpy.typing as npt
from tvm.script import tirx as T

from tytvm.kernels.kernel import Kernel, KernelTarget, Specialization, WorkKind, symbol
from tytvm.kernels.linear import int4_weight, linear_w4a8, linear_w4a8_amx
from tytvm.kernels.linear.int8_tile_product import Int8TileProduct, ProductScratch, WeightBlock, multiply
from tytvm.kernels.operands.encoding import Int8
from tytvm.kernels.operands.int8_groups import code_shape, write_group
from tytvm.kernels.operators import GatedLinear
from tytvm.kernels.primitives.amx import BYTES, SIDE
from tytvm.kernels.primitives.cost import Cost, size
from tytvm.kernels.primitives.expressions import PrimFunc, Scalar, Vector
from tytvm.kernels.primitives.vector import LANES, ceildiv, span
from tytvm.kernels.rowwise.activation import silu
from tytvm.target import InstructionSet
from tytvm.weights import W4

Weight = tuple[npt.NDArray[np.uint8], npt.NDArray[np.float16], npt.NDArray[np.uint8]]


def build(spec: InstructionSet, R: int, K: int, N: int, group: int, activation_group: int, out_group: int) -> PrimFunc:
    """(q i8[ceil(R/16),K/64,16,64], scale f32[R,K/a], gate's weight, scale, zero, up's, codes i8, scales f32[R,N/o]).

    Args:
        spec: The CPU; it has tiles.
        R: Rows of activations; codes are in left tiles, where rows from R on may hold anything.
        K: Inputs.
        N: Outputs.
        group: Inputs that share a scale of the weights; divides K.
        activation_group: Inputs that share a scale (a above); a multiple of 64 that divides `group`.
        out_group: Outputs that share a scale (o above); a multiple of 64 that divides N.
    """
    shape = shape_of(R, K, N, group, activation_group, out_group)
    packed = int4_weight.shapes(K, N, group)

    @T.prim_func(private=True)
    def gated_w4a8_amx(
        q: T.Buffer((ceildiv(R, SIDE), K // BYTES, SIDE, BYTES), "int8"),
        scale: T.Buffer((R, K // activation_group), "float32"),
        gate: T.Buffer(packed["weight"], "uint8"),
        gate_scale: T.Buffer(packed["scale"], "float16"),
        gate_zero: T.Buffer(packed["zero"], "uint8"),
        up: T.Buffer(packed["weight"], "uint8"),
        up_scale: T.Buffer(packed["scale"], "float16"),
        up_zero: T.Buffer(packed["zero"], "uint8"),
        codes: T.Buffer(code_shape(R, N, True), "int8"),
        scales: T.Buffer((R, N // out_group), "float32"),
    ) -> None:
        for chunk in T.parallel(shape.chunks):
            memory = T.meta_var(ProductScratch.of(shape))
            blocks = T.meta_var(
                lambda pair: [
                    WeightBlock(gate, gate_scale, gate_zero, pair, 1),
                    WeightBlock(up, up_scale, up_zero, pair, 1),
                ]
            )
            multiply(shape, memory, chunk, q, scale, blocks, partial(combine, spec, memory))
            for row in range(R):
                values = T.meta_var(
                    [memory.sums[place, row // SIDE, 0, row % SIDE, span(0)] for place in range(shape.chunk)]
                )
                write_group(codes, scales, None, row, chunk, values, LANES)

    return gated_w4a8_amx


def shape_of(R: int, K: int, N: int, group: int, activation_group: int, out_group: int) -> Int8TileProduct:
    """The blocking: a pair is a block of the gate and the same one of `up`, a chunk is a group of outputs."""
    return Int8TileProduct(R, K, N // LANES, out_group // LANES, group, activation_group)


def fits(R: int, K: int, N: int, group: int, activation_group: int, out_group: int) -> bool:
    """Whether the outputs are whole groups, and scratch memory holds the sums of one."""
    shape = shape_of(R, K, N, group, activation_group, out_group)
    return N % out_group == 0 and shape.chunk <= shape.room


def combine(spec: InstructionSet, memory: ProductScratch, place: Scalar, m: Scalar, b: int, sums: list[Vector]) -> None:
    """Keeps the gate's sums; when those of `up` come, their product takes the place."""
    for r, value in enumerate(sums):
        at = [place, m, 0, r, span(0)]
        if b:
            value = silu(spec, memory.sums[tuple(at)], LANES) * value
        T.buffer_store(memory.sums, value, at)


def reference(
    q: npt.NDArray[np.int8], scale: npt.NDArray[np.float32], gate: Weight, up: Weight
) -> npt.NDArray[np.float32]:
    """In NumPy, before quantization, f32[R,N].

    Args:
        q: i8[R,K].
        scale: f32[R,K/a].
        gate: Codes u8[N,K] of 0..15, scales f16 and zeros u8 [N,K/group].
        up: The same.
    """
    g, u = (linear_w4a8.reference(q, scale, *weight).astype(np.float64) for weight in (gate, up))
    return np.asarray(g / (1 + np.exp(-g)) * u, np.float32)


def cost(R: int, K: int, N: int, group: int, activation_group: int, out_group: int) -> Cost:
    """Operations and bytes."""
    read = size("int8", R, K) + size("float32", R, K // activation_group) + 2 * int4_weight.size_of(K, N, group)
    written = size("int8", R, N) + size("float32", R, N // out_group)
    return Cost({"int8": 4 * R * K * N, "float32": 6 * R * N * K // activation_group + 20 * R * N}, read, written)


def accepts(target: KernelTarget, linear: GatedLinear) -> Specialization | None:
    """INT4 weights without bias and many rows on a CPU with tiles, where the result too goes to such a product."""
    inputs, out = linear_w4a8_amx.inputs_of(target, linear.rows, linear.weight), linear.encoding
    if inputs is None or not isinstance(linear.weight, W4) or linear.has_bias:
        return None
    if not isinstance(out, Int8) or not out.tiled:
        return None
    shape = (linear.rows, linear.weight.in_features, linear.weight.out_features, linear.weight.group_size)
    arguments = (*shape, inputs.group, out.group)
    return Specialization(symbol("gated_w4a8_amx", *shape), arguments, inputs) if fits(*arguments) else None


KERNEL = Kernel(GatedLinear, accepts, build, cost, reference, WorkKind.WEIGHT_PRODUCT, int4_weight.LAYOUT)
