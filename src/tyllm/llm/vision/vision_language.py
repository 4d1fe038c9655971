"""The modules of a vision-language model's package beside its decoder: the vision tower and the rotary positions."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from hf_checkpoint.auxiliary_files import copy_file
from hf_checkpoint.vision_tower import find_tower, vision_tokens
from tyllm.build.die_plan import DiePlan, ModelPlan, plan_model
from tyllm.build.module_build import CompiledProgram, ModuleBuild, ModuleSource
from tyllm.build.process_pool import Task
from tyllm.build.tensor_parallel import ModelSharding
from tyllm.build.weight_formats import Quantization
from tyllm.build.weight_reader import Weights
from tyllm.llm.compile_settings import DEFAULT_IMAGE_SIZES, LlmCompileSettings
from tyllm.llm.vision.image_sizes import image_sizes
from tyllm.llm.vision.rotary_positions import capture_rotary, language_model_of
from tyllm.llm.vision.tower_sharding import TowerSharding
from tyllm.package import ImageSize, Visual, write_params
from tyllm.package.file_names import (
    PREPROCESSOR,
    ROPE_CODE,
    ROPE_PARAMS,
    ROPE_PROGRAM,
    ROPE_TABLE,
    VISUAL,
    VISUAL_CODE,
    VISUAL_PARAMS,
)
from tyllm_base.errors import CheckpointError
from tyllm_base.json_reader import read_json
from tytvm.capture import Capture
from tytvm.kernel_choice import Kernels
from tytvm.memory_layout import lay_out
from tytvm.target import InstructionSet

if TYPE_CHECKING:
    from transformers import PreTrainedModel

PROCESSOR = "processor_config.json"
Programs = Mapping[tuple[int, str], CompiledProgram]
"""Die and name of a program → the compiled program."""
LAYER_WORK = 20
"""Time that a program of the tower takes for each layer and third of the work, beside that of packing a MiB."""


@dataclass(frozen=True)
class VisionLanguage:
    """The parts of one model, planned.

    Attributes:
        model: the whole model, on the meta device.
        sizes: of images.
        tower: the vision tower over its dies.
        plan: what each of its dies stores.
        settings: what was asked for.
    """

    model: PreTrainedModel
    sizes: Sequence[ImageSize]
    tower: TowerSharding
    plan: ModelPlan
    settings: LlmCompileSettings

    def builds(
        self, folder: Path, scratch: Path, weights: Weights, spec: InstructionSet, runtime: Sequence[Path]
    ) -> Builds:
        """The two compiled modules, under way in `folder`.

        The tower's products are of bfloat16 where the processor has tiles for them, whatever the decoder's activations:
        in float32 it would take ten times as long, for 1e-4 of the embeddings.
        """
        kernels = Kernels(spec, int8_activations=True)
        (folder / VISUAL).mkdir(exist_ok=True)
        work = self._tower_work()
        towers = [ModuleSource(size.name, partial(self._tower, size), ("embeddings",), work) for size in self.sizes]
        rope = ModuleSource(ROPE_PROGRAM, self._rotary, ("rope_param",))
        tower = (folder / VISUAL, scratch, VISUAL_CODE, VISUAL_PARAMS, self.plan, weights, towers, kernels, runtime)
        nothing = ModelPlan(ModelSharding(1, {}, ()), {}, {}, (DiePlan(0, {}, lay_out({})),))
        return Builds(
            ModuleBuild(*tower),
            ModuleBuild(folder, scratch, ROPE_CODE, ROPE_PARAMS, nothing, weights, [rope], kernels, runtime),
        )

    def work(self) -> int:
        """The size of the first round, in the unit of the progress that is reported."""
        programs = len(self.sizes) * len(set(self.plan.owners().values()))
        return 3 * (programs * self._tower_work() + 1)

    def _tower_work(self) -> int:
        return len(self.tower.tower.module.blocks) * LAYER_WORK

    def write_rope_table(self, folder: Path) -> None:
        """rope_param.params: what the program computes for plain text, whose three positions are equal."""
        count = self.settings.max_kv_cache_size
        rotary, positions = language_model_of(self.model).rotary_emb, torch.arange(count).expand(3, 1, -1)
        cos, sin = (table[0, :, : table.shape[-1] // 2] for table in rotary(torch.empty(0), positions))
        write_params(folder / ROPE_TABLE, {"rope_param": torch.stack([cos, sin], dim=1).numpy()})

    def write_preprocessor(self, folder: Path) -> None:
        """preprocessor_config.json, as the checkpoint has it.

        Raises:
            CheckpointError: it has none, or one that cannot be read.
        """
        own, combined = (self.settings.model_path / name for name in (PREPROCESSOR, PROCESSOR))
        if own.is_file():
            copy_file(own, folder / PREPROCESSOR)
            return
        part = None
        if combined.is_file():
            part = read_json(combined, CheckpointError, "download it again", constants=True).get("image_processor")
        if not isinstance(part, dict):
            raise CheckpointError(
                f"{self.settings.model_path} has no {PREPROCESSOR}, without which no image can be prepared; "
                "download it with the rest of the model."
            )
        (folder / PREPROCESSOR).write_text(json.dumps(part, indent=2) + "\n", encoding="utf-8")

    def described(self) -> Visual:
        """The manifest's entry for the tower."""
        config = self.model.config
        return Visual(
            dies=self.plan.sharding.dies,
            die_order=self.settings.visual_order,
            sizes=tuple(self.sizes),
            merge_size=config.vision_config.spatial_merge_size,
            tokens=vision_tokens(config),
            tokens_per_second=getattr(config.vision_config, "tokens_per_second", None),
        )

    def _tower(self, size: ImageSize, die: int) -> Capture:
        return self.tower.capture(size.grid, die)

    def _rotary(self, die: int) -> Capture:
        return capture_rotary(self.model, self.settings.max_kv_cache_size)


@dataclass(frozen=True)
class Builds:
    """The two modules under way: in each round the tower's tasks, then those of the rotary positions."""

    tower: ModuleBuild
    rope: ModuleBuild

    def compiles(self) -> list[Task]:
        """The first round."""
        return [*self.tower.compiles(), *self.rope.compiles()]

    def compiled(self, results: Sequence[CompiledProgram]) -> tuple[Programs, Programs]:
        """The compiled programs of the first round, for the tower and for the rotary positions."""
        keys = self.tower.keys()
        return (
            dict(zip(keys, results[: len(keys)], strict=True)),
            dict(zip(self.rope.keys(), results[len(keys) :], strict=True)),
        )

    def writes(self, compiled: tuple[Programs, Programs]) -> list[Task]:
        """The second round."""
        tower, rope = compiled
        return [*self.tower.writes(tower), *self.rope.writes(rope)]


def plan_vision(
    model: PreTrainedModel, quantization: Quantization, settings: LlmCompileSettings
) -> VisionLanguage | None:
    """The parts of a vision-language model beside its decoder; None for any other model.

    Raises:
        SettingError: sizes of images or numbers of dies that cannot work.
    """
    found = find_tower(model)
    if found is None:
        return None
    requested = settings.image_sizes or DEFAULT_IMAGE_SIZES
    sizes = image_sizes(requested, model.config.vision_config, settings.max_kv_cache_size)
    tower = TowerSharding(found, settings.tower_dies)
    names = (name for name, _ in model.named_parameters(remove_duplicate=False))
    others = frozenset(name for name in names if not name.startswith(found.prefix))
    plan = plan_model(model, tower.split(sizes[0].grid), quantization, others)
    return VisionLanguage(model, sizes, tower, plan, settings)
