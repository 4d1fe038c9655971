"""The compile driver: from a captured graph to a shared object, one named step a line."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from tvm import tirx

from tytvm import rewrites
from tytvm.collectives import insert_all_reduces
from tytvm.graph import Graph
from tytvm.host import host_module, kernel_module
from tytvm.importer import import_graph
from tytvm.kernel_choice import Kernels
from tytvm.linearize import linearize
from tytvm.link import link
from tytvm.lower import lower
from tytvm.memory_layout import MemoryLayout
from tytvm.memory_plan import PlannedProgram, plan_memory
from tytvm.rewrites import constants


def compile_program(
    graph: Graph,
    input_sharded: Collection[str],
    row_sharded: Collection[str],
    kernels: Kernels,
    params: MemoryLayout,
    kv: MemoryLayout,
) -> PlannedProgram:
    """The planned program of one die and sequence length.

    Args:
        graph: what was captured, with the formats of its weights.
        input_sharded: weights that each die holds some inputs of: their linears give partial sums over dies.
        row_sharded: weights that each die holds some rows of: embeddings of them give partial sums.
        kernels: for the target.
        params: layout of the die's stored weights.
        kv: layout of the die's caches.

    Raises:
        UnsupportedError: an operator cannot be compiled.
    """
    constants.fold(graph.capture)
    insert_all_reduces(graph.capture, input_sharded, row_sharded)
    rewrites.apply(graph.capture.graph_module)
    module = import_graph(graph, kernels)
    module = lower(module)
    calls = linearize(module, graph.outputs)
    values = {name: value.cpu().numpy() for name, value in graph.capture.constants.items() if not value.is_meta}
    return plan_memory(calls, params, kv, values, graph.head_input)


def build_shared_object(
    program: PlannedProgram, exports: Mapping[str, str], kernels: Kernels, runtime: Sequence[Path], output: Path
) -> None:
    """Generate code for a planned program and link it with the runtime's objects.

    Raises:
        BuildError: the system linker refused.
        OSError: the disk is full.
    """
    objects = build_objects(program, exports, kernels, output)
    link([*objects, *runtime], output, kernels.spec)
    for code in objects:
        code.unlink()


def build_objects(
    program: PlannedProgram, exports: Mapping[str, str], kernels: Kernels, stem: Path, prefix: str = ""
) -> list[Path]:
    """Generate code for a planned program: object files beside `stem`, to be linked with those of other programs.

    Args:
        program: the planned program.
        exports: part ("body", "head") → symbol.
        kernels: for the target.
        stem: path whose suffix is replaced.
        prefix: of the kernels' symbols, where several programs are linked together.

    Raises:
        OSError: the disk is full.
    """
    target = kernels.spec.tvm_target()
    modules = {".kernels.o": kernel_module(program, prefix), ".host.o": host_module(program, exports, prefix)}
    objects = [stem.with_suffix(suffix) for suffix in modules]
    for module, code in zip(modules.values(), objects, strict=True):
        code.write_bytes(_object_file(tirx.build(module, target=target)))
    return objects


def _object_file(library: Any) -> bytes:
    """A built module's object file, by way of memory: on a disk that is full LLVM would end the process."""
    memory = os.memfd_create("object")
    with os.fdopen(memory, "rb") as file:
        library.write_to_file(f"/proc/self/fd/{memory}", "o")
        return file.read()
