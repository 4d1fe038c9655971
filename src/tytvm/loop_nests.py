"""Loop nests: a lowered kernel of several is split into kernels of one, so that barriers are all that they need.

Elementwise producers are inlined first; what lies between two nests becomes a buffer of the arena.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import tvm
import tvm_ffi
from tvm import s_tir, tirx

ENOUGH_SLICES = 8
"""Iterations of a parallel loop that share evenly enough between the workers of a die."""


@dataclass(frozen=True)
class LoopNest:
    """One loop nest as a function of its own, and the buffers that it touches."""

    function: tirx.PrimFunc
    arguments: list[int | str]
    """For each parameter: the number of the kernel's own parameter, or the name of a temporary."""
    writes: list[int]
    """Which of `arguments` it writes."""


@dataclass(frozen=True)
class LoopNests:
    """A kernel's loop nests in order, with the temporaries (name → shape, dtype) between them."""

    nests: list[LoopNest]
    temporaries: dict[str, tuple[tuple[int, ...], str]]


def split_loop_nests(function: tirx.PrimFunc) -> LoopNests:
    """Schedule a legalized kernel (of the dialect `s_tir`), and make each loop nest at its root a function."""
    scheduled = _schedule(function)
    root = scheduled.body.block
    names: dict[tirx.Var, int | str] = {buffer: index for index, buffer in enumerate(scheduled.params)}
    names |= {buffer: f"t{index}" for index, buffer in enumerate(root.alloc_buffers)}
    statements = root.body.seq if isinstance(root.body, tirx.SeqStmt) else [root.body]
    nests = [_as_function(statement, names, scheduled.attrs) for statement in statements]
    shapes = {
        f"t{index}": (tuple(int(n) for n in buffer.ty.shape), str(buffer.ty.dtype))
        for index, buffer in enumerate(root.alloc_buffers)
    }
    return LoopNests(nests, shapes)


def _as_function(nest: tirx.Stmt, names: Mapping[tirx.Var, int | str], attributes: tvm.ir.DictAttrs) -> LoopNest:
    """A loop nest as a function of the buffers that it touches, in the order of `names`."""
    read, written = _touched(nest)
    used = [buffer for buffer in names if buffer in read | written]
    block = s_tir.SBlock([], [], [], "root", nest)
    function = tirx.PrimFunc(used, s_tir.SBlockRealize([], True, block), attrs=attributes)
    return LoopNest(
        function, [names[buffer] for buffer in used], [index for index, each in enumerate(used) if each in written]
    )


def _schedule(function: tirx.PrimFunc) -> tirx.PrimFunc:
    """Inline what can be, then run each nest's spatial loops as one parallel loop."""
    schedule = s_tir.Schedule(tvm.IRModule({"main": function.with_attr("global_symbol", "main")}))
    root = schedule.get_sblock("root", "main")
    for block in schedule.get_child_blocks(root):
        try:
            schedule.compute_inline(block)
        except s_tir.ScheduleError:
            continue  # a reduction, or a block that writes the output
    for block in schedule.get_child_blocks(root):
        _parallelize(schedule, block)
    return schedule.mod["main"]


def _parallelize(schedule: s_tir.Schedule, block: s_tir.schedule.SBlockRV) -> None:
    """One parallel loop: leading spatial loops, fused until it has enough slices; LLVM vectorizes what is inside."""
    kinds = [variable.iter_type for variable in schedule.get(block).iter_vars]
    loops = schedule.get_loops(block)
    spatial = []
    slices = 1
    for loop, kind in zip(loops, kinds, strict=len(kinds) == len(loops)):
        if kind != tirx.IterVar.DataPar or slices >= ENOUGH_SLICES:
            break
        spatial.append(loop)
        slices *= int(schedule.get(loop).extent)
    schedule.parallel(schedule.fuse(*spatial) if spatial else schedule.add_unit_loop(loops[0] if loops else block))


def _touched(statement: tirx.Stmt) -> tuple[set[tirx.Var], set[tirx.Var]]:
    """Buffers that a loop nest reads and writes."""
    read: set[tirx.Var] = set()
    written: set[tirx.Var] = set()

    def visit(block: s_tir.SBlock) -> None:
        read.update(region.source for region in block.reads)
        written.update(region.source for region in block.writes)

    tvm_ffi.structural_walk(statement, [(s_tir.SBlock, visit)])
    return read, written
