"""The compile driver: from a captured graph to a shared object, one named step a line."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tvm import runtime, tirx

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
from tytvm.program_check import check_program
from tytvm.rewrites import constants, norm_weights
from tytvm.stage_dump import Observe, ignore


@dataclass(frozen=True)
class ProgramJob:
    """One program to compile: that of one die and one shape of inputs.

    Attributes:
        graph: the captured graph, with the formats of its weights; it is changed in place.
        kernels: for the target.
        params: layout of the die's stored weights.
        kv: layout of the die's caches.
        input_sharded: weights that each die holds some inputs of: their linears give partial sums over dies.
        row_sharded: weights that each die holds some rows of: embeddings of them give partial sums.
    """

    graph: Graph
    kernels: Kernels
    params: MemoryLayout
    kv: MemoryLayout
    input_sharded: Collection[str] = ()
    row_sharded: Collection[str] = ()


def compile_program(job: ProgramJob, observe: Observe = ignore) -> PlannedProgram:
    """The planned program of one die and one shape of inputs.

    Args:
        job: what to compile.
        observe: called with each stage's name and what it gave, such as `stage_dump.dump_to(folder)`.

    Raises:
        UnsupportedError: an operator cannot be compiled.
    """
    graph, capture = job.graph, job.graph.capture
    observe("captured", capture.graph_module.graph)
    constants.fold(capture)  # first: what follows from constants needs no rewrite and no kernel
    insert_all_reduces(capture, job.input_sharded, job.row_sharded)  # before a rewrite gives a weight another shape
    norm_weights.fill(capture)
    rewrites.apply(capture.graph_module)  # on ATen, where a pattern reads like the model's own code
    observe("rewritten", capture.graph_module.graph)
    module = import_graph(graph, job.kernels)  # refuses what neither we nor TVM can translate; chooses our kernels
    observe("imported", module)
    module = lower(module)  # after our kernels are in place: the rest becomes loops
    observe("lowered", module)
    calls = linearize(module, graph.outputs)  # from here on there are only kernels and buffers
    observe("linearized", calls)
    values = {name: value.cpu().numpy() for name, value in capture.constants.items() if not value.is_meta}
    program = plan_memory(calls, job.params, job.kv, values, graph.head_input)
    observe("planned", program)
    check_program(program)  # the last chance: generated code checks nothing
    return program


def build_shared_object(
    program: PlannedProgram, exports: Mapping[str, str], kernels: Kernels, runtime_objects: Sequence[Path], output: Path
) -> None:
    """Generate code for a planned program and link it with the runtime's objects.

    Raises:
        BuildError: the system linker refused.
        OSError: the disk is full.
    """
    objects = build_objects(program, exports, kernels, output)
    link([*objects, *runtime_objects], output, kernels.spec)
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


def _object_file(library: runtime.Module) -> bytes:
    """A built module's object file, by way of memory: on a disk that is full LLVM would end the process."""
    memory = os.memfd_create("object")
    with os.fdopen(memory, "rb") as file:
        library.write_to_file(f"/proc/self/fd/{memory}", "o")
        return file.read()
