# mypy: disable-error-code="valid-type,untyped-decorator"
"""The linear layers of experts with INT4 weights and int8 activations, summed as in `linear_w4a8`."""

import numpy as np
import numpy.typing as npt
from tvm.script import tirx as T

from tytvm.kernels.experts import experts_w4a16
from tytvm.kernels.experts.expert_tile import absent, add_bias, expert_tile
from tytvm.kernels.kernel import Kernel, KernelTarget, Specialization, WorkKind, symbol
from tytvm.kernels.linear import int4_weight
from tytvm.kernels.linear.int4_weight import CODES
from tytvm.kernels.linear.int8_accumulators import Int8Accumulators
from tytvm.kernels.linear.int8_group import int8_group
from tytvm.kernels.linear.linear_w4a8 import TILES, finish_group, multiply_add, rescale, shift
from tytvm.kernels.linear.register_tile import Accumulators, store
from tytvm.kernels.operands.encoding import Int8, bytes_of
from tytvm.kernels.operands.expert_groups import ExpertGroups
from tytvm.kernels.operators import ExpertLinear
from tytvm.kernels.primitives.cost import Cost, size
from tytvm.kernels.primitives.expressions import PrimFunc
from tytvm.target import InstructionSet
from tytvm.weights import W4


def build(
    spec: InstructionSet,
    groups: ExpertGroups,
    K: int,
    N: int,
    group_size: int,
    activation_group: int,
    gathers: bool,
    with_bias: bool = False,
) -> PrimFunc:
    """(expert, bounds, [source], q i8[T or T·K,K], scale, sum, weight, wscale, wzero, [bias], out f32[T·K,N]).

    The activations and the weight are those of `linear_w4a8`, the other arguments those of `experts_w16a16`.
    """
    accumulators, fewest_blocks = TILES[spec.vector_bytes]
    tile = expert_tile(accumulators, groups, N, gathers, fewest_blocks=fewest_blocks)
    made, rows = groups.tensors(), groups.tokens if gathers else groups.rows
    packed = int4_weight.shapes(K, groups.experts * N, group_size)
    parts, steps = group_size // activation_group, activation_group // CODES
    scales = (rows, K // activation_group)

    @T.jit(private=True)
    def experts_w4a8(
        expert: T.Buffer(*made["expert"]),
        bounds: T.Buffer(*made["bounds"]),
        source: T.Optional(T.Buffer(*made["source"])),
        q: T.Buffer((rows, K), "int8"),
        scale: T.Buffer(scales, "float32"),
        total: T.Buffer(scales, "int32"),
        weight: T.Buffer(packed["weight"], "uint8"),
        wscale: T.Buffer(packed["scale"], "float16"),
        wzero: T.Buffer(packed["zero"], "uint8"),
        bias: T.Optional(T.Buffer((groups.experts * N,), "float32")),
        out: T.Buffer((groups.rows, N), "float32"),
    ) -> None:
        for task in T.parallel(tile.tasks):
            group: T.let = task // tile.plain.across
            across: T.let = task % tile.plain.across
            for down in T.serial(tile.passes(bounds, group)):
                placed = T.meta_var(tile.place(expert, bounds, source, group, down))
                sums = T.meta_var(Accumulators(tile.plain))
                sums.clear()
                for g in range(K // group_size):
                    scaled = T.meta_var(Accumulators(tile.plain))
                    scaled.clear()
                    for p in range(parts):
                        dots = T.meta_var(Int8Accumulators(spec, tile.plain, activation_group))
                        dots.clear()
                        for chunk in range(activation_group // dots.inputs):
                            for k in range(dots.inputs // CODES):
                                first: T.let = (g * parts + p) * steps + chunk * (dots.inputs // CODES)
                                multiply_add(placed[0], dots, q, weight, first + k, across, down)
                            dots.widen()
                        rescale(placed[0], scaled, dots, scale, g * parts + p, down)
                    shifts = T.meta_var([shift(scale, total, row, g * parts, parts) for row in placed[0].places])
                    finish_group(placed[0], sums, scaled, shifts, wscale, wzero, g, across)
                add_bias(sums, bias, expert[group], placed[1], across)
                store(placed[1], sums, None, out, across, down)

    return experts_w4a8.specialize(**absent(source=gathers, bias=with_bias))


def reference(
    expert_of: npt.NDArray[np.int32],
    q: npt.NDArray[np.int8],
    scale: npt.NDArray[np.float32],
    codes: npt.NDArray[np.uint8],
    wscale: npt.NDArray[np.float16],
    wzero: npt.NDArray[np.uint8],
    experts: int,
) -> npt.NDArray[np.float32]:
    """In NumPy, in float64, of an unpacked stack: activations and weights made floats, then multiplied.

    Args:
        expert_of: i32[R], each row's expert.
        q: i8[R,K].
        scale: f32[R,K/a], of the activations.
        codes: u8[experts · N,K] of 0..15.
        wscale: f16[experts · N,K/group].
        wzero: u8[experts · N,K/group].
        experts: How many there are.

    Returns:
        f32[R,N].
    """
    x = q.astype(np.float64) * np.repeat(scale, q.shape[1] // scale.shape[1], axis=1)
    return experts_w4a16.reference(expert_of, x, codes, wscale, wzero, experts)


def cost(
    groups: ExpertGroups, K: int, N: int, group_size: int, activation_group: int, gathers: bool, with_bias: bool = False
) -> Cost:
    """Operations and bytes, where each choice is another expert as far as there are experts."""
    read = bytes_of(Int8(activation_group), groups.tokens if gathers else groups.rows, K)
    read += groups.most_groups * (int4_weight.size_of(K, N, group_size) + size("float32", N * with_bias))
    floats = groups.rows * N * (2 * K // activation_group + 4 * K // group_size)
    return Cost({"int8": 2 * groups.rows * K * N, "float32": floats}, read, size("float32", groups.rows, N))


def accepts(target: KernelTarget, operator: ExpertLinear) -> Specialization | None:
    """INT4 weights where activations are int8."""
    if not isinstance(operator.weight, W4) or not target.int8_activations:
        return None
    shape = (operator.weight.in_features, operator.weight.out_features, operator.weight.group_size)
    inputs = Int8(int8_group(operator.weight))
    name = symbol("experts_w4a8", *operator.groups.sizes, *shape, gathered=operator.gathers, bias=operator.has_bias)
    return Specialization(name, (operator.groups, *shape, inputs.group, operator.gathers, operator.has_bias), inputs)


KERNEL = Kernel(ExpertLinear, accepts, build, cost, reference, WorkKind.WEIGHT_PRODUCT, int4_weight.LAYOUT)
