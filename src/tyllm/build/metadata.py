"""The package's JSON files, from the planned programs: buffer_config.json, program.json, manifest.json."""

from __future__ import annotations

import hashlib
import json
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from tyllm import __version__
from tyllm.build.die_plan import ModelPlan
from tyllm.llm.compile_settings import LlmCompileSettings
from tyllm.build.weight_formats import Quantization
from tyllm.package import BufferConfig, DieBuffers, FileEntry, IoEntry, KvLayer, Manifest, Target, Visual
from tyllm.package import ProgramMemory
from tytvm.collectives import ALL_REDUCE
from tytvm.memory_layout import MemoryLayout, bytes_of
from tytvm.memory_plan import PlannedProgram, KernelLaunch
from tytvm.target import InstructionSet

EXPORTS = {"body": "llm_body", "head": "llm_head"}
"""Symbols of a die's program, before the ABI's prefix."""


@dataclass(frozen=True)
class ProgramSummary:
    """A compiled program without its code: what the package's JSON files say of it."""

    kv: MemoryLayout
    memories: ProgramMemory
    steps: Mapping[str, Any]
    constants_bytes: int


def summarize(program: PlannedProgram) -> ProgramSummary:
    """What remains to be known of a program once its code is written."""
    constants = program.layouts["constants"].total
    return ProgramSummary(program.layouts["kv"], _memories(program), _described(program), constants)


def buffer_config(settings: LlmCompileSettings, plan: ModelPlan, programs: Sequence[Mapping[int, ProgramSummary]]) -> BufferConfig:
    """Sizes and offsets of every die's memories; `programs` are by die, then sequence length."""
    dies = []
    for die, own in enumerate(programs):
        kv = next(iter(own.values())).kv
        memories = {seq_len: program.memories for seq_len, program in own.items()}
        dies.append(DieBuffers(die, plan.sharding.vocabulary[die], kv.total, kv_layers(kv), memories))
    return BufferConfig(settings.max_kv_cache_size, settings.kv_capacity, settings.seq_lens, tuple(dies))


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


def program_json(programs: Sequence[Mapping[int, ProgramSummary]]) -> dict[str, Any]:
    """What a simulator reads: per die and sequence length the steps, their costs and buffers."""
    dies = [
        {"die": die, "programs": {str(s): program.steps for s, program in own.items()}}
        for die, own in enumerate(programs)
    ]
    return {"format_version": 1, "dies": dies}


def _described(program: PlannedProgram) -> dict[str, Any]:
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


def manifest(
    settings: LlmCompileSettings,
    model: Any,
    plan: ModelPlan,
    quantization: Quantization,
    spec: InstructionSet,
    files: Mapping[str, FileEntry],
    visual: Visual | None = None,
    rope: Sequence[Mapping[str, Any]] | None = None,
) -> Manifest:
    """Everything that a reader checks before it loads code."""
    text = model.config.get_text_config()
    config = settings.model_path / "config.json"
    return Manifest(
        tyllm_version=__version__,
        architecture=type(model).__name__,
        model_type=model.config.model_type,
        vocab_size=plan.sharding.vocabulary[-1][1],
        hidden_size=text.hidden_size,
        layers=text.num_hidden_layers,
        dies=settings.dies,
        seq_lens=settings.seq_lens,
        max_kv_cache_size=settings.max_kv_cache_size,
        embedding_as_input=settings.embedding_as_input,
        activations=settings.activations if quantization.method else "float16",
        quantization={"method": quantization.method, "bits": 4, "group_size": quantization.group_size}
        if quantization.method
        else None,
        target=Target(spec.name, spec.triple, spec.cpu, tuple(spec.flags)),
        exports=EXPORTS,
        built_with={"python": platform.python_version()}
        | {name: version(name) for name in ("apache-tvm", "torch", "transformers")},
        source={
            "checkpoint": settings.model_path.resolve().name,
            "config_sha256": hashlib.sha256(config.read_bytes()).hexdigest(),
        },
        files=files,
        die_order=settings.order,
        visual=visual,
        rope=rope,
    )


def write_program(
    folder: Path, programs: Sequence[Mapping[int, ProgramSummary]], modules: Mapping[str, Any] | None = None
) -> None:
    """program.json, with the steps of its other modules by name; without spaces, for it has a line for every step."""
    value = program_json(programs) | dict(modules or {})
    (folder / "program.json").write_text(json.dumps(value, separators=(",", ":")), encoding="utf-8")
