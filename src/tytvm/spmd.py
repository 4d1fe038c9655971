"""SPMD: a kernel with one parallel loop becomes a function of raw pointers; each worker runs its slice of that loop."""

from __future__ import annotations

from typing import Any

import tvm
from tvm import s_tir, tirx
from tvm.ir import PointerType, PrimType
from tvm_ffi import structural_map


def slice_over_workers(kernel: tirx.PrimFunc) -> tirx.PrimFunc:
    """Append `worker` and `workers` (int32); the parallel loop runs over `[n·worker/workers, n·(worker+1)/workers)`.

    Raises:
        ValueError: the kernel has not exactly one parallel loop (the compiler's mistake, not a user's).
    """
    worker, workers = tirx.Var("worker", "int32"), tirx.Var("workers", "int32")
    loops: list[Any] = []

    def slice_of(loop: Any) -> Any:
        if loop.kind != tirx.ForKind.PARALLEL:
            return loop
        loops.append(loop)
        dtype = str(loop.loop_var.ty.dtype)
        begin = tirx.floordiv(loop.extent * tirx.Cast(dtype, worker), tirx.Cast(dtype, workers))
        end = tirx.floordiv(loop.extent * (tirx.Cast(dtype, worker) + 1), tirx.Cast(dtype, workers))
        return tirx.For(loop.loop_var, begin, end - begin, tirx.ForKind.SERIAL, loop.body)

    body = structural_map(kernel.body, [(tirx.For, slice_of)])
    if len(loops) != 1:
        raise ValueError(f"A kernel has exactly one parallel loop; this one has {len(loops)}:\n{kernel.script()}")
    return tirx.PrimFunc([*kernel.params, worker, workers], body, kernel.ret_type, kernel.attrs)


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
