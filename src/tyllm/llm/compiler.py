"""The compile driver: checkpoint folder → package folder, one named step a line."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

from hf_checkpoint.vision_tower import find_tower
from tyllm.build.die_plan import ModelPlan, plan_model
from tyllm.build.metadata import EXPORTS, ProgramSummary, buffer_config, manifest, summarize, write_program
from tyllm.build.pack_weights import pack_weights
from tyllm.build.package_folder import atomic_package, need_space, refuse_existing_package
from tyllm.build.process_pool import Task, run_in_processes
from tyllm.build.tensor_parallel import IN, OUT, shard_model
from tyllm.build.weight_formats import Quantization
from tyllm.build.weight_reader import WeightReader
from tyllm.llm.auxiliary_files import copy_auxiliary_files, write_embedding
from tyllm.llm.checkpoint_check import check_tensors, source_names
from tyllm.llm.compile_settings import LlmCompileSettings, check, for_model
from tyllm.llm.die_model import build_model, capture_step, cut_to_die
from tyllm.llm.quantization import find_quantization, untie_head
from tyllm.llm.vision.vision_language import VisionLanguage, plan_vision
from tyllm.llm.vision.vision_model import capture_language_step, tower_prefix
from tyllm.package import FileEntry, ParamsWriter, file_entries, write_params
from tyllm.package.compiled_module import ModuleConfig
from tyllm.package.file_hashes import remember_hashes
from tyllm.package.file_names import EMPTY, VISUAL, code_file, constants_file, params_file
from tyllm_machine import available_processes
from tyllm_progress import Advance, Progress
from tytvm.capture import Capture
from tytvm.compile import build_shared_object, compile_program
from tytvm.graph import Graph, kv_layout
from tytvm.kernel_choice import Kernels
from tytvm.link import compile_c
from tytvm.memory_plan import PlannedProgram
from tytvm.target import resolve

COMPILE_LAYER = {"capture": 8, "lower": 9, "generate code for": 6}
"""Time that a program takes for each layer, beside that of packing a MiB, by part: what makes the time left right."""


@dataclass
class _Work:
    """Counts what is done, weighed by the time it takes, for the caller's progress display."""

    report: Progress | None
    total: int
    done: int = field(default=0)

    def step(self, amount: float, what: str) -> None:
        self.done += int(amount)
        if self.report:
            self.report(self.done, self.total, what)


def compile_checkpoint(settings: LlmCompileSettings, progress: Progress | None) -> Path:
    """Compile a checkpoint; returns the package folder.

    Raises:
        SettingError, CheckpointError, UnsupportedError, OutputError: one sentence each; nothing is left half-written.
    """
    from hf_checkpoint.checkpoint import Checkpoint
    from hf_checkpoint.weight_names import under_model_names

    check(settings)
    spec = resolve(settings.target)
    refuse_existing_package(settings.artifacts_path, settings.overwrite)
    checkpoint = Checkpoint.open(settings.model_path, settings.trust_remote_code)
    model = build_model(checkpoint, settings.trust_remote_code)
    settings = for_model(settings, model)
    checkpoint = under_model_names(checkpoint, model)
    quantization = find_quantization(model, checkpoint, settings)
    sources = source_names(model, checkpoint)
    untie_head(model, quantization)
    check_tensors(model, checkpoint, quantization, sources)
    sharding = shard_model(model, settings.dies, quantization.group_size)
    plan = plan_model(model, sharding, quantization, _skipped(model, settings))
    vision = plan_vision(model, quantization, settings)
    plans = [plan, *([vision.plan] if vision else [])]
    need_space(settings.artifacts_path, sum(die.layout.total for each in plans for die in each.dies))
    kernels = Kernels(spec, settings.activations == "int8")
    compiles = len(set(plan.owners().values())) * len(settings.seq_lens)
    layers = model.config.get_text_config().num_hidden_layers
    packing = sum(sum(each.mebibytes().values()) for each in plans)
    compiling = compiles * layers * sum(COMPILE_LAYER.values()) + (vision.work() if vision else 0)
    work = _Work(progress, packing + compiling + 1)
    reader = WeightReader(checkpoint, quantization, sources)
    with atomic_package(settings.artifacts_path, settings.overwrite) as folder:
        write_embedding(folder, model, reader, settings)
        built = _build(folder, model, plan, vision, reader, kernels, settings, work)
        _finish(folder, settings, model, plan, vision, quantization, kernels, built)
        work.step(1, "manifest")
    remember_hashes(settings.artifacts_path, built.files)
    return settings.artifacts_path


def _skipped(model: Any, settings: LlmCompileSettings) -> frozenset[str]:
    """What the decoder does not store: a tower, and an embedding that is an input and that no tied head needs."""
    table = model.get_input_embeddings().weight
    named = list(model.named_parameters(remove_duplicate=False))
    tables = [name for name, p in named if p is table]
    tower = [name for name, _ in named if name.startswith(tower_prefix(model))]
    return frozenset([*tower, *(tables if settings.embedding_as_input and len(tables) == 1 else [])])


@dataclass(frozen=True)
class _Built:
    """What the tasks gave: parameter files, the decoder's programs by die, and a vision-language model's modules."""

    files: Mapping[str, FileEntry]
    programs: Sequence[Mapping[int, ProgramSummary]]
    visual: ModuleConfig | None = None
    rope: ModuleConfig | None = None
    module_steps: Mapping[str, Any] = field(default_factory=dict)


def _build(
    folder: Path,
    model: Any,
    plan: ModelPlan,
    vision: VisionLanguage | None,
    reader: WeightReader,
    kernels: Kernels,
    settings: LlmCompileSettings,
    work: _Work,
) -> _Built:
    """Pack the weights and compile the programs, side by side."""
    from tyllm import native

    owners, processes = plan.owners(), available_processes()
    keys = list(product(dict.fromkeys(owners.values()), settings.seq_lens))
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        runtime = compile_c(native.sources(), native.compile_flags(), Path(scratch), kernels.spec)
        compiles = [partial(_compile, folder, model, plan, die, s, kernels, runtime, settings) for die, s in keys]
        builds = vision.builds(folder, Path(scratch), reader, kernels.spec, runtime) if vision else None
        tasks: list[Task] = [partial(_write_weights, folder, plan, reader), *compiles]
        files, *results = run_in_processes([*tasks, *(builds.compiles() if builds else [])], processes, work.step)
        programs, modules = results[: len(keys)], results[len(keys) :]
        by_key = dict(zip(keys, programs, strict=True))
        for die, seq_len in product(owners, settings.seq_lens):
            if owners[die] != die:
                _copy_program(folder, owners[die], die, seq_len)
        by_die = [{seq_len: by_key[owners[die], seq_len] for seq_len in settings.seq_lens} for die in owners]
        if builds is None:
            return _Built(files, by_die)
        compiled = builds.compiled(modules)
        for written in run_in_processes(builds.writes(compiled), processes, work.step):
            files |= {path.relative_to(folder).as_posix(): entry for path, entry in written.items()}
        steps = {"visual": builds.tower.steps(compiled[0]), "rope": builds.rope.steps(compiled[1])}
        return _Built(files, by_die, builds.tower.config(compiled[0]), builds.rope.config(compiled[1]), steps)


def _write_weights(folder: Path, plan: ModelPlan, reader: WeightReader, report: Advance) -> dict[str, FileEntry]:
    entries: dict[str, FileEntry] = {}
    sizes = plan.mebibytes()
    with ExitStack() as stack:
        writers = []
        for die in plan.dies:
            path = folder / params_file(die.die)
            path.parent.mkdir(exist_ok=True)
            specs = {name: (spec.dtype, spec.shape) for name, spec in die.layout.specs.items()}
            writers.append(stack.enter_context(ParamsWriter(path, specs)))
        pack_weights(plan.stored(), reader, writers, lambda name: report(sizes[name], f"pack {name}"))
        for die, writer in zip(plan.dies, writers, strict=True):
            entries[params_file(die.die).as_posix()] = writer.close()
    return entries


def _compile(
    folder: Path,
    model: Any,
    plan: ModelPlan,
    die: int,
    seq_len: int,
    kernels: Kernels,
    runtime: Sequence[Path],
    settings: LlmCompileSettings,
    report: Advance,
) -> ProgramSummary:
    """One die's program for one sequence length: its shared object and constants are written."""
    layers = model.config.get_text_config().num_hidden_layers

    def done(part: str) -> None:
        report(layers * COMPILE_LAYER[part], f"{part} {seq_len} tokens, die {die}")

    cut_to_die(model, plan.shapes, plan.sharding, die)
    captured = (
        capture_language_step(model, seq_len)
        if find_tower(model)
        else capture_step(model, seq_len, settings.embedding_as_input)
    )
    done("capture")
    program = _planned(captured, plan, die, kernels, settings)
    done("lower")
    output = folder / code_file(die, seq_len)
    output.parent.mkdir(exist_ok=True, parents=True)
    build_shared_object(program, EXPORTS, kernels, runtime, output)
    write_params(folder / constants_file(die, seq_len), dict(program.constants))
    done("generate code for")
    return summarize(program)


def _copy_program(folder: Path, source: int, die: int, seq_len: int) -> None:
    for name in (code_file, constants_file):
        shutil.copyfile(folder / name(source, seq_len), folder / name(die, seq_len))


def _planned(
    captured: Capture, plan: ModelPlan, die: int, kernels: Kernels, settings: LlmCompileSettings
) -> PlannedProgram:
    graph = Graph(captured, plan.dies[die].formats, plan.stored_names, settings.kv_capacity, settings.kv_cache_dtype)
    kv = kv_layout(captured, settings.kv_capacity, settings.kv_cache_dtype)
    sharding = plan.sharding
    return compile_program(
        graph, sharding.sharded_along(IN), sharding.sharded_along(OUT), kernels, plan.dies[die].layout, kv
    )


def _finish(
    folder: Path,
    settings: LlmCompileSettings,
    model: Any,
    plan: ModelPlan,
    vision: VisionLanguage | None,
    quantization: Quantization,
    kernels: Kernels,
    built: _Built,
) -> None:
    """The JSON files, what comes along from the checkpoint, and last the manifest."""
    copy_auxiliary_files(settings.model_path, folder)
    (folder / EMPTY).write_bytes(b"")
    buffer_config(settings, plan, built.programs).write_buffer_config(folder)
    write_program(folder, built.programs, built.module_steps)
    parts: dict[str, Any] = {}
    if vision and built.visual and built.rope:
        vision.write_rope_table(folder)
        vision.write_preprocessor(folder)
        built.visual.write_module_config(folder / VISUAL)
        parts = {"visual": vision.described(), "rope": built.rope.to_json()}
    entries = file_entries(folder, built.files.items())
    manifest(settings, model, plan, quantization, kernels.spec, entries, **parts).write_manifest(folder)
