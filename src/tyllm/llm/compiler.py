"""The compile driver: checkpoint folder → package folder, one named step a line."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from tyllm.build.metadata import ProgramSummary, write_program
from tyllm.build.package_folder import atomic_package, refuse_existing_package
from tyllm.build.process_pool import run_in_processes
from tyllm.llm.auxiliary_files import copy_config_and_tokenizer, write_embedding
from tyllm.llm.compile_settings import LlmCompileSettings
from tyllm.llm.decoder_build import DecoderBuild
from tyllm.llm.manifest import buffer_config, manifest
from tyllm.llm.package_job import PackageJob, prepare
from tyllm.package import FileEntry, Manifest, file_entries
from tyllm.package.agreement import read_parts
from tyllm.package.compiled_module import ModuleConfig
from tyllm.package.file_hashes import remember_hashes
from tyllm.package.file_names import EMPTY, VISUAL
from tyllm.package.step_shape import StepShape
from tyllm_base.machine import available_processes
from tyllm_base.output_place import OutputPlace
from tyllm_base.progress import Progress
from tytvm.link import compile_c


def compile_checkpoint(settings: LlmCompileSettings, progress: Progress | None) -> Path:
    """Compile a checkpoint; returns the package folder.

    Raises:
        SettingError: a setting that cannot work, alone or with this model.
        CheckpointError: the checkpoint is damaged, contradicts itself, or holds values that cannot be stored.
        UnsupportedError: the model, its quantization or an operator cannot be compiled.
        BuildError: there is no C compiler, or it refused.
        OutputError: the package's folder exists, is being written by another run or cannot be written; nothing is left
            half-written.
    """
    refuse = partial(refuse_existing_package, overwrite=settings.overwrite)
    with OutputPlace.take(settings.artifacts_path, refuse) as place:
        return _compile_at(place, settings, progress)


def _compile_at(place: OutputPlace, settings: LlmCompileSettings, progress: Progress | None) -> Path:
    """Compile into a place that is held; see `compile_checkpoint`."""
    job = prepare(settings)  # refuses what it can before anything is written
    work = _Work(progress, job.work + 1)
    with atomic_package(place, settings.overwrite) as folder:
        _write_auxiliary_files(job, folder)  # quick, and may refuse what the checkpoint holds
        write_embedding(folder, job.model, job.reader, job.settings)  # the same, of values beyond float16
        built = _build(job, folder, work)  # all minutes are spent here
        _write_metadata(job, folder, built)  # last: a folder with a manifest is whole
        work.advance(1, "manifest")
        _check_metadata(folder)
    remember_hashes(settings.artifacts_path, built.files)  # so that the first opening reads no weight again
    return settings.artifacts_path


@dataclass
class _Work:
    """Counts the work that is done, for the caller's progress display."""

    progress: Progress | None
    total: int
    done: int = field(default=0)

    def advance(self, amount: float, what: str) -> None:
        self.done += int(amount)
        if self.progress:
            self.progress(self.done, self.total, what)


@dataclass(frozen=True)
class _Built:
    """Results of the tasks: parameter files, the decoder's programs by die, and a vision-language model's modules."""

    files: Mapping[str, FileEntry]
    programs: Sequence[Mapping[StepShape, ProgramSummary]]
    visual: ModuleConfig | None = None
    rope: ModuleConfig | None = None
    module_steps: Mapping[str, Any] = field(default_factory=dict)


def _build(job: PackageJob, folder: Path, work: _Work) -> _Built:
    """Pack the weights and compile the programs, side by side; then link the modules of a vision-language model."""
    from tyllm import native

    processes, spec = available_processes(), job.kernels.spec
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        runtime = compile_c(native.sources(), native.compile_flags(), Path(scratch), spec)
        decoder = DecoderBuild(job, folder, runtime)
        modules = job.vision.builds(folder, Path(scratch), job.reader, spec, runtime) if job.vision else None
        tasks = [*decoder.tasks(), *(modules.compiles() if modules else [])]
        files, *results = run_in_processes(tasks, processes, work.advance)
        count = len(decoder.program_keys())
        programs = decoder.finish(results[:count])
        if modules is None:
            return _Built(files, programs)
        compiled = modules.compiled(results[count:])
        for written in run_in_processes(modules.writes(compiled), processes, work.advance):
            files |= {path.relative_to(folder).as_posix(): entry for path, entry in written.items()}
        steps = {"visual": modules.tower.steps(compiled[0]), "rope": modules.rope.steps(compiled[1])}
        return _Built(files, programs, modules.tower.config(compiled[0]), modules.rope.config(compiled[1]), steps)


def _write_auxiliary_files(job: PackageJob, folder: Path) -> None:
    """Config and tokenizer as the checkpoint has them; the tables that the runtime needs beside the programs."""
    copy_config_and_tokenizer(job.settings.model_path, folder)
    (folder / EMPTY).write_bytes(b"")
    if job.vision:
        job.vision.write_rope_table(folder)
        job.vision.write_preprocessor(folder)


def _write_metadata(job: PackageJob, folder: Path, built: _Built) -> None:
    """The JSON files; the manifest, which names all others, is the last."""
    buffer_config(job.settings, job.plan, built.programs).write_buffer_config(folder)
    write_program(folder, built.programs, built.module_steps)
    if built.visual:
        built.visual.write_module_config(folder / VISUAL)
    rope = built.rope.to_json() if built.rope else None
    manifest(job, file_entries(folder, built.files.items()), rope).write_manifest(folder)


def _check_metadata(folder: Path) -> None:
    """Read the JSON files as the runtime will; raises `PackageError` where that would refuse them."""
    read_parts(folder, Manifest.read(folder))
