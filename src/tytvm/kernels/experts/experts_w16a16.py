# mypy: disable-error-code="valid-type,untyped-decorator"
"""The linear layers of experts with float16 weights: each row times the weight of its own expert, summed in float32."""

import numpy as np
import numpy.typing as npt
from tvm.script import tirx as T

from tytvm.kernels.experts.expert_tile import absent, add_bias, expert_tile
from tytvm.kernels.kernel import Kernel, KernelTarget, Specialization, WorkKind, symbol
from tytvm.kernels.linear import float16_weight
from tytvm.kernels.linear.linear_w16a16 import multiply_add
from tytvm.kernels.linear.register_tile import Accumulators, store
from tytvm.kernels.operands.expert_groups import ExpertGroups
from tytvm.kernels.operators import ExpertLinear
from tytvm.kernels.primitives.cost import Cost, size
from tytvm.kernels.primitives.expressions import PrimFunc
from tytvm.kernels.primitives.vector import LANES
from tytvm.target import InstructionSet
from tytvm.weights import W16


def build(
    spec: InstructionSet, groups: ExpertGroups, K: int, N: int, gathers: bool, with_bias: bool = False
) -> PrimFunc:
    """(expert, bounds, [source], x f32[T or T·K,K], weight f16[experts·N/16,K,16], [bias], out f32[T·K,N]).

    Args:
        spec: The CPU.
        groups: The rows; the first arguments stand for them.
        K: Inputs.
        N: Outputs of an expert, a multiple of sixteen.
        gathers: Whether x has a row a token, which `source` finds; else it has the grouped rows.
        with_bias: Whether there is a bias f32[experts·N].
    """
    tile = expert_tile(spec.accumulators, groups, N, gathers)
    made, rows = groups.tensors(), groups.tokens if gathers else groups.rows

    @T.jit(private=True)
    def experts_w16a16(
        expert: T.Buffer(*made["expert"]),
        bounds: T.Buffer(*made["bounds"]),
        source: T.Optional(T.Buffer(*made["source"])),
        x: T.Buffer((rows, K), "float32"),
        weight: T.Buffer((groups.experts * N // LANES, K, LANES), "float16"),
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
                for k in range(K):
                    multiply_add(placed[0], sums, x, weight, k, across, down)
                add_bias(sums, bias, expert[group], placed[1], across)
                store(placed[1], sums, None, out, across, down)

    return experts_w16a16.specialize(**absent(source=gathers, bias=with_bias))


def reference(
    expert_of: npt.NDArray[np.int32],
    x: npt.NDArray[np.floating],
    weight: npt.NDArray[np.floating],
    bias: npt.NDArray[np.float32] | None = None,
) -> npt.NDArray[np.float32]:
    """In float64: rows' experts i32[R], x f32[R,K], a stack f16[experts,N,K], bias f32[experts·N] → f32[R,N]."""
    out = np.einsum("rk,rnk->rn", x.astype(np.float64), weight[expert_of].astype(np.float64))
    return np.asarray(out if bias is None else out + bias.reshape(len(weight), -1)[expert_of], np.float32)


def cost(groups: ExpertGroups, K: int, N: int, gathers: bool, with_bias: bool = False) -> Cost:
    """Operations and bytes, where each choice is another expert as far as there are experts."""
    read = size("float32", groups.tokens if gathers else groups.rows, K)
    read += groups.most_groups * (size("float16", N, K) + size("float32", N * with_bias))
    return Cost({"float32": 2 * groups.rows * K * N}, read, size("float32", groups.rows, N))


def accepts(target: KernelTarget, operator: ExpertLinear) -> Specialization | None:
    """float16 weights, on any CPU."""
    if not isinstance(operator.weight, W16):
        return None
    shape = (operator.weight.in_features, operator.weight.out_features)
    name = symbol("experts_w16a16", *operator.groups.sizes, *shape, gathered=operator.gathers, bias=operator.has_bias)
    return Specialization(name, (operator.groups, *shape, operator.gathers, operator.has_bias))


KERNEL = Kernel(ExpertLinear, accepts, build, cost, reference, WorkKind.WEIGHT_PRODUCT, float16_weight.LAYOUT)
