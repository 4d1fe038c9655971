"""Metadata: what a package's JSON files say of its planned programs, and program.json itself."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tyllm.package import DieBuffers, IoEntry, KvLayer, ProgramMemory
from tyllm.package.step_shape import StepShape
from tytvm.collectives import ALL_REDUCE
from tytvm.memory_layout import MemoryLayout, bytes_of
from tytvm.memory_plan import KernelLaunch, PlannedProgram


@dataclass(frozen=True)
class ProgramSummary:
    """A compiled program without its code: what the package's JSON files say of it."""

    kv: MemoryLayout
    memories: ProgramMemory
    steps: Mapping[str, Any]
    constants_bytes: int


def summarize(program: PlannedProgram) -> ProgramSummary:
    """The facts of a program that its package's JSON files name, once its code is written."""
    constants = program.layouts["constants"].total
    return ProgramSummary(program.layouts["kv"], _memories(program), _steps_and_buffers(program), constants)


def die_buffers(die: int, vocabulary: tuple[int, int], programs: Mapping[StepShape, ProgramSummary]) -> DieBuffers:
    """Sizes and offsets of a die's memories."""
    kv = next(iter(programs.values())).kv
    alone, batches = _alone_and_batches(programs)
    memories = [{size: own.memories for size, own in some.items()} for some in (alone, batches)]
    return DieBuffers(die, vocabulary, kv.total, kv_layers(kv), *memories)


def _alone_and_batches(
    programs: Mapping[StepShape, ProgramSummary],
) -> tuple[dict[int, ProgramSummary], dict[int, ProgramSummary]]:
    """Programs for one sequence by their length, and those for several by their size."""
    alone = {shape.seq_len: own for shape, own in programs.items() if not shape.is_batch}
    return alone, {shape.batch: own for shape, own in programs.items() if shape.is_batch}


def kv_layers(kv: MemoryLayout) -> tuple[KvLayer, ...]:
    """The caches by layer."""
    layers = sorted({int(name.partition(".")[0]) for name in kv.specs})
    return tuple(_kv_layer(kv, layer) for layer in layers)


def _kv_layer(kv: MemoryLayout, layer: int) -> KvLayer:
    k, v = kv.specs[f"{layer}.k"], kv.specs[f"{layer}.v"]
    k_offset, v_offset, *scales = (kv.offsets.get(f"{layer}.{suffix}") for suffix in ("k", "v", "k_scale", "v_scale"))
    assert k_offset is not None and v_offset is not None
    return KvLayer(k_offset, v_offset, k.shape[0], k.shape[2], v.shape[2], k.dtype, *scales)


def _memories(program: PlannedProgram) -> ProgramMemory:
    io = program.layouts["io"]
    entries = {name: IoEntry(io.offsets[name], spec.shape, spec.dtype) for name, spec in io.specs.items()}
    return ProgramMemory(program.layouts["arena"].total, io.total, entries)


def program_json(programs: Sequence[Mapping[StepShape, ProgramSummary]]) -> dict[str, Any]:
    """The content of program.json: per die and shape the steps, their costs and buffers."""
    return {"format_version": 1, "dies": [_die_json(die, own) for die, own in enumerate(programs)]}


def _die_json(die: int, programs: Mapping[StepShape, ProgramSummary]) -> dict[str, Any]:
    alone, batches = ({str(size): own.steps for size, own in some.items()} for some in _alone_and_batches(programs))
    return {"die": die, "programs": alone} | ({"batches": batches} if batches else {})


def _steps_and_buffers(program: PlannedProgram) -> dict[str, Any]:
    buffers = {
        name: {"place": place, "offset": layout.offsets[name], "bytes": bytes_of(spec)}
        for place, layout in program.layouts.items()
        for name, spec in layout.specs.items()
    }
    return {
        "body": [_step(step, program) for step in program.body],
        "head": [_step(step, program) for step in program.head],
        "buffers": buffers,
    }


def _step(step: KernelLaunch, program: PlannedProgram) -> dict[str, Any]:
    written = [region.name for index, region in enumerate(step.arguments) if index in step.writes]
    read = [
        region.name
        for index, region in enumerate(step.arguments)
        if index not in step.writes or step.kernel == ALL_REDUCE
    ]
    return {
        "kernel": step.kernel,
        "reads": read,
        "writes": written,
        "barrier_before": step.barrier_before,
        "cost": _cost(step, program),
    }


def _cost(step: KernelLaunch, program: PlannedProgram) -> dict[str, Any]:
    """A kernel of ours knows its cost; the long tail's is one operation per element written, and its buffers' bytes."""
    kernel = program.kernels.get(step.kernel)
    if kernel is not None and "tytvm.cost" in (kernel.attrs or {}):
        known: dict[str, Any] = json.loads(str(kernel.attrs["tytvm.cost"]))
        return known
    written = sum(region.size for index, region in enumerate(step.arguments) if index in step.writes)
    read = sum(region.size for index, region in enumerate(step.arguments) if index not in step.writes)
    return {"operations": {"float32": written // 4}, "bytes_read": read, "bytes_written": written}


def write_program(
    folder: Path, programs: Sequence[Mapping[StepShape, ProgramSummary]], modules: Mapping[str, Any] | None = None
) -> None:
    """program.json, with the steps of its other modules by name; without spaces, for it has a line for every step."""
    value = program_json(programs) | dict(modules or {})
    (folder / "program.json").write_text(json.dumps(value, separators=(",", ":")), encoding="utf-8")
