"""The ahead-of-time main: a host function calls a program's kernels in order, with barriers; it allocates nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import tvm
from tvm import tirx

from tytvm.collectives import ALL_REDUCE
from tytvm.plan import Program, Region, Step
from tytvm.spmd import lower_blocks, slice_over_workers, take_pointers

PLACES = ("params", "constants", "kv", "arena", "io")
"""The base pointers that a host function takes, in order; then the context, this worker and the number of workers."""


def host_module(program: Program, exports: Mapping[str, str]) -> tvm.IRModule:
    """The module to build: every kernel, private, and the exported host functions.

    Args:
        program: the planned program.
        exports: part ("body", "head") → symbol; it is exported as `__tvm_ffi_<symbol>` under the tvm-ffi C ABI.
    """
    handles = {name: tvm.ir.GlobalVar(name) for name in program.kernels}
    functions: dict[Any, tirx.PrimFunc] = {}
    for name, kernel in program.kernels.items():
        functions[handles[name]] = take_pointers(lower_blocks(slice_over_workers(kernel)))
    for part, symbol in exports.items():
        steps = program.body if part == "body" else program.head
        function = _host_function(steps, handles).with_attr("global_symbol", symbol)
        functions[tvm.ir.GlobalVar(symbol)] = function
    return tvm.IRModule(functions)


def _host_function(steps: Sequence[Step], handles: Mapping[str, tvm.ir.GlobalVar]) -> tirx.PrimFunc:
    bases = {place: tirx.Var(place, "handle") for place in PLACES}
    context = tirx.Var("context", "handle")
    worker, workers = tirx.Var("worker", "int32"), tirx.Var("workers", "int32")

    def pointer(region: Region) -> Any:
        return tirx.handle_add_byte_offset(bases[region.place], region.offset)

    body: list[Any] = []
    for step in steps:
        if step.barrier_before:
            body.append(tirx.call_extern("int32", "tyllm_barrier", context, worker))
        if step.kernel == ALL_REDUCE:
            (region,) = step.arguments
            count = tirx.const(region.size // 4, "int64")
            body.append(tirx.call_extern("int32", "tyllm_all_reduce", context, worker, pointer(region), count))
        else:
            arguments = [*map(pointer, step.arguments), worker, workers]
            body.append(tvm.ir.Call(handles[step.kernel], arguments))
    statements = [tirx.Evaluate(expression) for expression in body or [0]]
    main = tirx.SeqStmt(statements) if len(statements) > 1 else statements[0]
    return tirx.PrimFunc([*bases.values(), context, worker, workers], main)
