"""SPMD: a kernel with one parallel loop becomes a function of raw pointers; workers take chunks of that loop."""

from __future__ import annotations

import json
import math

import numpy as np
import tvm
from tvm import s_tir, tirx
from tvm.ir import PointerType, PrimType
from tvm_ffi import structural_map

CHUNK_SECONDS = 2e-6
"""Work that is worth asking for: a hundred times as long as the asking takes."""
BYTES_PER_SECOND, OPERATIONS_PER_SECOND = 10e9, 100e9
"""A core's rough speed, so that a chunk is neither a waste to ask for nor long to wait for."""


def share_over_workers(kernel: tirx.PrimFunc) -> tirx.PrimFunc:
    """Append `context` and `worker`; the parallel loop runs over the chunks that `tyllm_next` gives the worker.

    The runtime's `int64 tyllm_next(context, worker, iterations, least)` gives first << 32 | stop, at least so many
    iterations but for the last ones, and a negative number when there are none left.

    Raises:
        ValueError: the kernel has not exactly one parallel loop (the compiler's mistake, not a user's).
    """
    context, worker = tirx.Var("context", "handle"), tirx.Var("worker", "int32")
    loops: list[tirx.For] = []

    def in_chunks(loop: tirx.For) -> tirx.Stmt:
        if loop.kind != tirx.ForKind.PARALLEL:
            return loop
        loops.append(loop)
        least = least_iterations(int(loop.extent), kernel)
        ask = tirx.call_extern("int64", "tyllm_next", context, worker, loop.extent, least)
        return _over_chunks(loop, ask, _end(loop, kernel))

    body = structural_map(kernel.body, [(tirx.For, in_chunks)])
    if len(loops) != 1:
        raise ValueError(f"A kernel has exactly one parallel loop; this one has {len(loops)}:\n{kernel.script()}")
    return tirx.PrimFunc([*kernel.params, context, worker], body, kernel.ret_type, kernel.attrs)


def _end(loop: tirx.For, kernel: tirx.PrimFunc) -> tirx.Expr:
    """The iteration before which the loop ends: that of the first row that is not in use, where rows are counted.

    Chunks are of all iterations all the same. Who is late for a step asks for one when the count may be the next
    step's already, and has to ask as the others did; who has got one reads the right count.
    """
    rows = (kernel.attrs or {}).get("tytvm.rows")
    if rows is None:
        return loop.extent
    each = int(loop.extent) // int(rows)
    return tirx.Cast(str(loop.loop_var.ty.dtype), kernel.params[0][0]) * each


def _over_chunks(loop: tirx.For, next_chunk: tirx.Expr, end: tirx.Expr) -> tirx.Stmt:
    """Ask for a chunk; while there is one: run the loop from its high half to its low half, ask for the next."""
    chunk = tirx.decl_buffer((1,), "int64", "chunk")
    dtype = str(loop.loop_var.ty.dtype)
    first = tirx.Cast(dtype, tirx.shift_right(chunk[0], tirx.const(32, "int64")))
    stop = tirx.Cast(dtype, tirx.bitwise_and(chunk[0], tirx.const(0xFFFFFFFF, "int64")))
    ask = tirx.BufferStore(chunk, next_chunk, [0])
    if not isinstance(end, tirx.IntImm):
        stop = tirx.max(tirx.min(stop, end), first)
    run = tirx.For(loop.loop_var, first, stop - first, tirx.ForKind.SERIAL, loop.body)
    return tirx.SeqStmt([tirx.AllocBuffer(chunk), ask, tirx.While(chunk[0] >= 0, tirx.SeqStmt([run, ask]))])


def least_iterations(extent: int, kernel: tirx.PrimFunc) -> int:
    """Iterations of the kernel's loop that take `CHUNK_SECONDS`, at most all, by its cost or else its buffers' size."""
    attributes = kernel.attrs or {}
    if "tytvm.cost" in attributes:
        cost = json.loads(str(attributes["tytvm.cost"]))
        moved, operations = cost["bytes_read"] + cost["bytes_written"], sum(cost["operations"].values())
    else:
        moved, operations = sum(_bytes(p) for p in kernel.params if tirx.is_buffer_var(p)), 0
    seconds = moved / BYTES_PER_SECOND + operations / OPERATIONS_PER_SECOND
    return extent if seconds <= CHUNK_SECONDS else math.ceil(extent * CHUNK_SECONDS / seconds)


def _bytes(buffer: tirx.Var) -> int:
    return math.prod(int(n) for n in buffer.ty.shape) * np.dtype(str(buffer.ty.dtype)).itemsize


def lower_blocks(kernel: tirx.PrimFunc) -> tirx.PrimFunc:
    """A scheduled kernel's blocks become plain loops; any other kernel stays as it is."""
    if not isinstance(kernel.body, s_tir.SBlockRealize):
        return kernel
    passes = [
        s_tir.transform.LowerInitBlock(),
        s_tir.transform.PlanAndUpdateBufferAllocationLocation(),
        s_tir.transform.ConvertBlocksToOpaque(),
        s_tir.transform.CompactBufferAllocation(),
        s_tir.transform.LowerMatchBuffer(),
        s_tir.transform.LowerOpaqueBlock(),
    ]
    module = tvm.IRModule({"kernel": kernel})
    (lowered,) = tvm.ir.transform.Sequential(passes)(module).functions.values()
    return lowered


def take_pointers(kernel: tirx.PrimFunc) -> tirx.PrimFunc:
    """Buffer parameters become pointers, declared as those buffers inside."""
    parameters, declared = [], []
    for parameter in kernel.params:
        if not tirx.is_buffer_var(parameter):
            parameters.append(parameter)
            continue
        pointer = tirx.Var(f"{parameter.name}_pointer", PointerType(PrimType(str(parameter.ty.dtype))))
        declared.append(tirx.DeclBuffer(parameter, data=pointer))
        parameters.append(pointer)
    return tirx.PrimFunc(parameters, tirx.SeqStmt([*declared, kernel.body]), kernel.ret_type)
