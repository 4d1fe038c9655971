"""The ahead-of-time main: a host function calls a program's kernels in order, with barriers; it allocates nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import tvm
from tvm import tirx

from tytvm.collectives import ALL_REDUCE
from tytvm.memory_plan import BufferSlice, KernelLaunch, PlannedProgram
from tytvm.spmd import lower_blocks, share_over_workers, take_pointers

MEMORIES = ("params", "constants", "kv", "arena", "io")
"""The base pointers that a host function takes, in order; then the context, this worker and the number of workers."""


KERNEL = "tytvm_{}kernel_{}"
"""Symbol of a kernel, by the program's prefix and its name in the program."""
RAW_POINTERS = ("calling_conv", 2)
"""TVM's convention of a device's kernels: exported as it is, called with the arguments as they are."""


def kernel_module(program: PlannedProgram, prefix: str = "") -> tvm.IRModule:
    """The program's kernels, to be built apart from the host functions, where LLVM would inline one in every layer.

    `prefix` tells them from the kernels of another program in the same shared object.
    """
    kernels = {name: take_pointers(lower_blocks(share_over_workers(k))) for name, k in program.kernels.items()}
    return tvm.IRModule(
        {
            tvm.ir.GlobalVar(name): kernel.with_attr("global_symbol", KERNEL.format(prefix, name)).with_attr(
                *RAW_POINTERS
            )
            for name, kernel in kernels.items()
        }
    )


def host_module(program: PlannedProgram, exports: Mapping[str, str], prefix: str = "") -> tvm.IRModule:
    """The exported host functions, which call the kernels by symbol.

    Args:
        program: the planned program.
        exports: part ("body", "head") → symbol; it is exported as `__tvm_ffi_<symbol>` under the tvm-ffi C ABI.
        prefix: that of the kernels.
    """
    launches = {"body": program.body, "head": program.head}
    return tvm.IRModule(
        {
            tvm.ir.GlobalVar(symbol): _host_function(launches[part], prefix).with_attr("global_symbol", symbol)
            for part, symbol in exports.items()
        }
    )


def _host_function(launches: Sequence[KernelLaunch], prefix: str) -> tirx.PrimFunc:
    bases = {memory: tirx.Var(memory, "handle") for memory in MEMORIES}
    context = tirx.Var("context", "handle")
    worker, workers = tirx.Var("worker", "int32"), tirx.Var("workers", "int32")

    def pointer(buffer: BufferSlice) -> tirx.Expr:
        return tirx.handle_add_byte_offset(bases[buffer.memory], buffer.offset)

    body: list[tirx.Expr] = []
    for launch in launches:
        if launch.barrier_before:
            body.append(tirx.call_extern("int32", "tyllm_barrier", context, worker))
        if launch.kernel == ALL_REDUCE:
            (buffer,) = launch.arguments
            count = tirx.const(buffer.size // 4, "int64")
            body.append(tirx.call_extern("int32", "tyllm_all_reduce", context, worker, pointer(buffer), count))
        else:
            arguments = [*map(pointer, launch.arguments), context, worker]
            body.append(tirx.call_extern("void", KERNEL.format(prefix, launch.kernel), *arguments))
    statements = [tirx.Evaluate(expression) for expression in body or [0]]
    main = tirx.SeqStmt(statements) if len(statements) > 1 else statements[0]
    return tirx.PrimFunc([*bases.values(), context, worker, workers], main)
