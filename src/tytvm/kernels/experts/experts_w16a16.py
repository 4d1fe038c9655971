# mypy: disable-error-code="valid-type,untyped-decorator"
"""The linear layers of experts with float16 weights: each row times the weight of its own expert, summed in float32."""

import numpy as np
import numpy.typing as npt
from tvm.script import tirx as T

from tytvm.kernels.experts.expert_tile import expert_tile
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


def build(spec: InstructionSet, groups: ExpertGroups, K: int, N: int, gathers: bool) -> PrimFunc:
    """(expert, bounds, [source], x f32[T or T·K,K], weight f16[experts·N/16,K,16], out f32[T·K,N]).

    Args:
        spec: The CPU.
        groups: The rows; the first arguments stand for them.
        K: Inputs.
        N: Outputs of an expert, a multiple of sixteen.
        gathers: Whether x has a row a token, which `source` finds; else it has the grouped rows.
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
                store(placed[1], sums, None, out, across, down)

    return experts_w16a16.specialize(**({} if gathers else {"source": None}))


def reference(
    expert_of: npt.NDArray[np.int32], x: npt.NDArray[np.floating], weight: npt.NDArray[np.floating]
) -> npt.NDArray[np.float32]:
    """In NumPy, in float64: rows' experts i32[R], x f32[R,K], an unpacked stack f16[experts,N,K] → f32[R,N]."""
    out = np.einsum("rk,rnk->rn", x.astype(np.float64), weight[expert_of].astype(np.float64))
    return np.asarray(out, np.float32)


def cost(groups: ExpertGroups, K: int, N: int, gathers: bool) -> Cost:
    """Operations and bytes, where each choice is another expert as far as there are experts."""
    read = size("float32", groups.tokens if gathers else groups.rows, K)
    read += groups.most_groups * size("float16", N, K)
    return Cost({"float32": 2 * groups.rows * K * N}, read, size("float32", groups.rows, N))


def accepts(target: KernelTarget, operator: ExpertLinear) -> Specialization | None:
    """float16 weights, on any CPU."""
    if not isinstance(operator.weight, W16):
        return None
    shape = (operator.weight.in_features, operator.weight.out_features)
    name = symbol("experts_w16a16", *operator.groups.sizes, *shape, gathered=operator.gathers)
    return Specialization(name, (operator.groups, *shape, operator.gathers))


KERNEL = Kernel(ExpertLinear, accepts, build, cost, reference, WorkKind.WEIGHT_PRODUCT, float16_weight.LAYOUT)
