"""The manifest and the buffer configuration of a compiled language model's package."""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path

from tyllm import __version__
from tyllm.build.die_plan import ModelPlan
from tyllm.build.metadata import ProgramSummary, die_buffers
from tyllm.build.weight_formats import Quantization
from tyllm.llm.compile_settings import LlmCompileSettings
from tyllm.llm.decoder_build import EXPORTS
from tyllm.llm.package_job import PackageJob
from tyllm.package import BufferConfig, Exports, FileEntry, Manifest, QuantizationEntry, Target
from tyllm.package.compiled_module import AotConfig, ModuleBuffers
from tyllm.package.file_names import CONFIG
from tyllm.package.step_shape import StepShape
from tytvm.target import InstructionSet

BUILT_WITH = ("apache-tvm", "torch", "transformers")
"""Packages whose versions the manifest names."""


def buffer_config(
    settings: LlmCompileSettings, plan: ModelPlan, programs: Sequence[Mapping[StepShape, ProgramSummary]]
) -> BufferConfig:
    """Sizes and offsets of every die's memories; `programs` are by die, then shape."""
    dies = tuple(die_buffers(die, plan.sharding.vocabulary[die], own) for die, own in enumerate(programs))
    return BufferConfig(settings.max_kv_cache_size, settings.kv_capacity, settings.seq_lens, dies, settings.batch_sizes)


def manifest(
    job: PackageJob, files: Mapping[str, FileEntry], rope: tuple[AotConfig, ModuleBuffers] | None = None
) -> Manifest:
    """Everything that a reader checks before it loads code.

    Args:
        job: the package that was made.
        files: size and hash of every other file of the package, by its name.
        rope: the JSON values that describe the module of the rotary positions, of a vision-language model.
    """
    settings, model = job.settings, job.model
    text = model.config.get_text_config()
    return Manifest(
        tyllm_version=__version__,
        architecture=type(model).__name__,
        model_type=model.config.model_type,
        vocab_size=job.plan.sharding.vocabulary[-1][1],
        hidden_size=text.hidden_size,
        layers=text.num_hidden_layers,
        dies=settings.dies,
        seq_lens=settings.seq_lens,
        max_kv_cache_size=settings.max_kv_cache_size,
        embedding_as_input=settings.embedding_as_input,
        activations=settings.activations if job.quantization.method else "float16",
        quantization=_quantization(job.quantization),
        target=_target(job.kernels.spec),
        exports=Exports(**EXPORTS),
        built_with={"python": platform.python_version()} | {name: version(name) for name in BUILT_WITH},
        source=_source(settings.model_path),
        files=files,
        die_order=settings.order,
        batch_sizes=settings.batch_sizes,
        visual=job.vision.described() if job.vision else None,
        rope=rope,
    )


def _quantization(quantization: Quantization) -> QuantizationEntry | None:
    if not quantization.method:
        return None
    return QuantizationEntry(quantization.method, 4, quantization.group_size)


def _target(spec: InstructionSet) -> Target:
    return Target(spec.name, spec.triple, spec.cpu, tuple(spec.flags))


def _source(model_path: Path) -> dict[str, str]:
    """The checkpoint by its folder's name, for no path of this machine belongs there, and its config's SHA-256."""
    config = (model_path / CONFIG).read_bytes()
    return {"checkpoint": model_path.resolve().name, "config_sha256": hashlib.sha256(config).hexdigest()}
