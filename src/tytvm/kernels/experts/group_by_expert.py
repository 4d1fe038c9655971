# mypy: disable-error-code="valid-type,untyped-decorator"
"""Rows grouped by the expert that they chose: a counting sort of the choices, by one worker."""

import numpy as np
import numpy.typing as npt
from tvm.script import tirx as T

from tytvm.kernels.kernel import Kernel, KernelTarget, Specialization, WorkKind, symbol
from tytvm.kernels.operands.expert_groups import ExpertGroups
from tytvm.kernels.operators import GroupByExpert
from tytvm.kernels.primitives.cost import Cost, size
from tytvm.kernels.primitives.expressions import Buffer, PrimFunc, Scalar
from tytvm.target import InstructionSet


def build(spec: InstructionSet, groups: ExpertGroups, counted: bool = False) -> PrimFunc:
    """([row_count i64[1]], chosen i64[T,K], expert, bounds, source, place, used): see operands/expert_groups.py.

    The number of an expert that does not exist counts as the nearest one's, so that nothing outside is read.
    """
    tokens, choices, experts, most = groups.tokens, groups.chosen, groups.experts, groups.most_groups
    made = groups.tensors()

    def number(chosen: Buffer, t: Scalar, k: Scalar) -> Scalar:
        return T.cast(T.min(T.max(chosen[t, k], T.int64(0)), T.int64(experts - 1)), "int32")

    @T.jit(private=True)
    def group_by_expert(
        row_count: T.Optional(T.Buffer((1,), "int64")),
        chosen: T.Buffer((tokens, choices), "int64"),
        expert: T.Buffer(*made["expert"]),
        bounds: T.Buffer(*made["bounds"]),
        source: T.Buffer(*made["source"]),
        place: T.Buffer(*made["place"]),
        used: T.Buffer(*made["used"]),
    ) -> None:
        for _ in T.parallel(1):
            counts = T.alloc_buffer((experts,), "int32")
            next_row = T.alloc_buffer((experts,), "int32")
            ends = T.alloc_buffer((2,), "int32")  # of the groups and of the rows so far
            in_use: T.let = tokens if row_count is None else T.cast(row_count[0], "int32")
            for e in range(experts):
                counts[e] = 0
            for t in range(in_use):
                for k in range(choices):
                    counts[number(chosen, t, k)] = counts[number(chosen, t, k)] + 1
            ends[0] = 0
            ends[1] = 0
            for e in range(experts):
                next_row[e] = ends[1]
                if counts[e] > 0:
                    expert[ends[0]] = e
                    bounds[ends[0]] = ends[1]
                    ends[0] = ends[0] + 1
                    ends[1] = ends[1] + counts[e]
            for g in range(most + 1):
                if g >= ends[0]:
                    bounds[g] = ends[1]
            for t in range(in_use):
                for k in range(choices):
                    own: T.let = number(chosen, t, k)
                    place[t, k] = next_row[own]
                    source[next_row[own]] = t
                    next_row[own] = next_row[own] + 1
            used[0] = T.cast(ends[1], "int64")

    return group_by_expert.specialize(**({} if counted else {"row_count": None}))


def reference(
    chosen: npt.NDArray[np.int64], experts: int
) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int32], npt.NDArray[np.int32], npt.NDArray[np.int32]]:
    """In NumPy, all rows in use: chosen i64[T,K] → expert and bounds of the groups there are, source and place."""
    order = np.argsort(chosen.reshape(-1), kind="stable")
    found, counts = np.unique(chosen, return_counts=True)
    place = np.empty(chosen.size, np.int32)
    place[order] = np.arange(chosen.size)
    bounds = np.concatenate([[0], np.cumsum(counts)])
    source = order // chosen.shape[1]
    return found.astype(np.int32), bounds.astype(np.int32), source.astype(np.int32), place.reshape(chosen.shape)


def cost(groups: ExpertGroups, counted: bool = False) -> Cost:
    """Operations and bytes."""
    written = sum(size(dtype, *shape) for shape, dtype in groups.tensors().values())
    return Cost({}, size("int64", groups.rows), written)


def accepts(target: KernelTarget, operator: GroupByExpert) -> Specialization:
    """Every number of rows and experts."""
    name = symbol("group_by_expert", *operator.groups.sizes)
    return Specialization(name, (operator.groups, target.counts_rows), counted=target.counts_rows)


KERNEL = Kernel(GroupByExpert, accepts, build, cost, reference, WorkKind.MOVE)
