# mypy: disable-error-code="valid-type,untyped-decorator"
"""The linear layers of experts with INT4 weights and float32 activations, summed as in `linear_w4a16`."""

import numpy as np
import numpy.typing as npt
from tvm.script import tirx as T

from tytvm.kernels.experts import experts_w16a16
from tytvm.kernels.experts.expert_tile import absent, add_bias, expert_tile
from tytvm.kernels.kernel import Kernel, KernelTarget, Specialization, WorkKind, symbol
from tytvm.kernels.linear import int4_weight
from tytvm.kernels.linear.int4_weight import CODES
from tytvm.kernels.linear.linear_w4a16 import finish_group, multiply_add
from tytvm.kernels.linear.register_tile import Accumulators, store
from tytvm.kernels.operands.expert_groups import ExpertGroups
from tytvm.kernels.operators import ExpertLinear
from tytvm.kernels.primitives.cost import Cost, size
from tytvm.kernels.primitives.expressions import PrimFunc
from tytvm.target import InstructionSet
from tytvm.weights import W4


def build(
    spec: InstructionSet, groups: ExpertGroups, K: int, N: int, group_size: int, gathers: bool, with_bias: bool = False
) -> PrimFunc:
    """(expert, bounds, [source], x f32[T or T·K,K], weight, wscale, wzero, [bias], out f32[T·K,N]), as in w16a16."""
    tile = expert_tile(spec.accumulators, groups, N, gathers)
    made, rows = groups.tensors(), groups.tokens if gathers else groups.rows
    packed, steps = int4_weight.shapes(K, groups.experts * N, group_size), group_size // CODES

    @T.jit(private=True)
    def experts_w4a16(
        expert: T.Buffer(*made["expert"]),
        bounds: T.Buffer(*made["bounds"]),
        source: T.Optional(T.Buffer(*made["source"])),
        x: T.Buffer((rows, K), "float32"),
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
                    dots = T.meta_var(Accumulators(tile.plain))
                    dots.clear()
                    for k in range(steps):
                        multiply_add(spec, placed[0], dots, x, weight, g * steps + k, across, down)
                    finish_group(placed[0], sums, dots, x, wscale, wzero, group_size, g, across, down)
                add_bias(sums, bias, expert[group], placed[1], across)
                store(placed[1], sums, None, out, across, down)

    return experts_w4a16.specialize(**absent(source=gathers, bias=with_bias))


def reference(
    expert_of: npt.NDArray[np.int32],
    x: npt.NDArray[np.floating],
    codes: npt.NDArray[np.uint8],
    wscale: npt.NDArray[np.float16],
    wzero: npt.NDArray[np.uint8],
    experts: int,
) -> npt.NDArray[np.float32]:
    """In NumPy, in float64, of an unpacked stack.

    Args:
        expert_of: i32[R], each row's expert.
        x: f32[R,K].
        codes: u8[experts · N,K] of 0..15.
        wscale: f16[experts · N,K/group].
        wzero: u8[experts · N,K/group].
        experts: How many there are.

    Returns:
        f32[R,N].
    """
    stack = int4_weight.dequantize(codes, wscale, wzero)
    return experts_w16a16.reference(expert_of, x, stack.reshape(experts, -1, x.shape[1]))


def cost(groups: ExpertGroups, K: int, N: int, group_size: int, gathers: bool, with_bias: bool = False) -> Cost:
    """Operations and bytes, where each choice is another expert as far as there are experts."""
    read = size("float32", groups.tokens if gathers else groups.rows, K)
    read += groups.most_groups * (int4_weight.size_of(K, N, group_size) + size("float32", N * with_bias))
    operations = 2 * groups.rows * K * N + 4 * groups.rows * N * K // group_size
    return Cost({"float32": operations}, read, size("float32", groups.rows, N))


def accepts(target: KernelTarget, operator: ExpertLinear) -> Specialization | None:
    """INT4 weights, on any CPU."""
    if not isinstance(operator.weight, W4):
        return None
    shape = (operator.weight.in_features, operator.weight.out_features, operator.weight.group_size)
    name = symbol("experts_w4a16", *operator.groups.sizes, *shape, gathered=operator.gathers, bias=operator.has_bias)
    return Specialization(name, (operator.groups, *shape, operator.gathers, operator.has_bias))


KERNEL = Kernel(ExpertLinear, accepts, build, cost, reference, WorkKind.WEIGHT_PRODUCT, int4_weight.LAYOUT)
