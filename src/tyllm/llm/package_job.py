"""The package job: all that is decided about a package, and refused, before the first weight is read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from hf_checkpoint.stored_buffers import read_buffers
from hf_checkpoint.tied_weights import first_names, stored_names_of_tied
from hf_checkpoint.tokenizer_trial import try_tokenizer
from hf_checkpoint.vision_tower import find_tower
from tyllm.build.die_plan import ModelPlan, plan_model
from tyllm.build.package_folder import need_space
from tyllm.build.tensor_parallel import shard_model
from tyllm.build.weight_formats import Quantization
from tyllm.build.weight_reader import WeightReader
from tyllm.llm.auxiliary_files import check_auxiliary_files
from tyllm.llm.compile_settings import LlmCompileSettings, check_settings, settings_for_model
from tyllm.llm.die_model import build_model
from tyllm.llm.position_limit import check_positions
from tyllm.llm.quantization import find_quantization, untie_quantized_head
from tyllm.llm.rope_frequencies import fix_frequencies
from tyllm.llm.shape_check import check_tensors
from tyllm.llm.step_guard import check_step
from tyllm.llm.vision.vision_language import VisionLanguage, plan_vision
from tytvm.capture import Capture
from tytvm.kernel_choice import Kernels
from tytvm.target import resolve

if TYPE_CHECKING:
    from transformers import PreTrainedModel

COMPILE_LAYER = {"capture": 8, "lower": 9, "generate code for": 6}
"""Time that a program takes for each layer, in times of packing a MiB, by part: what makes the time left right."""


@dataclass(frozen=True)
class PackageJob:
    """One package to make.

    Attributes:
        settings: as the model needs them.
        model: on the meta device; its parameters have the names that the plan and the reader use.
        quantization: which of its weights are INT4.
        plan: the decoder over its dies.
        vision: the other parts of a vision-language model.
        reader: where the weights are read.
        kernels: for the target.
    """

    settings: LlmCompileSettings
    model: PreTrainedModel
    quantization: Quantization
    plan: ModelPlan
    vision: VisionLanguage | None
    reader: WeightReader
    kernels: Kernels

    @property
    def layers(self) -> int:
        """Number of the decoder's layers."""
        return int(self.model.config.get_text_config().num_hidden_layers)

    @property
    def plans(self) -> list[ModelPlan]:
        """The decoder's plan, then the vision tower's."""
        return [self.plan, *([self.vision.plan] if self.vision else [])]

    @property
    def stored_bytes(self) -> int:
        """Size of all weights on all dies."""
        return sum(die.layout.total for plan in self.plans for die in plan.dies)

    @property
    def work(self) -> int:
        """Time that the job takes, in times of packing a MiB."""
        packing = sum(sum(plan.mebibytes().values()) for plan in self.plans)
        programs = len(set(self.plan.owners().values())) * len(self.settings.shapes)
        compiling = programs * self.layers * sum(COMPILE_LAYER.values())
        return packing + compiling + (self.vision.work() if self.vision else 0)


def prepare(settings: LlmCompileSettings) -> PackageJob:
    """Read what the checkpoint says of itself, and decide how each die stores and computes its part.

    Raises:
        SettingError: a setting that cannot work, alone or with this model.
        CheckpointError: the checkpoint is damaged, or contradicts itself.
        UnsupportedError: the model or its quantization cannot be compiled.
        OutputError: the disk is too small.
    """
    from hf_checkpoint.checkpoint import Checkpoint
    from hf_checkpoint.weight_names import under_model_names

    check_settings(settings)
    spec = resolve(settings.target)
    checkpoint = Checkpoint.open(settings.model_path, settings.trust_remote_code)
    try_tokenizer(checkpoint.path, checkpoint.config)
    check_auxiliary_files(checkpoint.path)
    model = build_model(checkpoint, settings.trust_remote_code)
    settings = settings_for_model(settings, model)
    check_positions(settings, checkpoint.config, model.config)
    fix_frequencies(model, settings.max_kv_cache_size)
    checkpoint = under_model_names(checkpoint, model)  # from here on a weight has one name
    quantization = find_quantization(model, checkpoint, settings)
    sources = stored_names_of_tied(model, checkpoint)  # the ties as the checkpoint has them
    untie_quantized_head(model, quantization)
    check_tensors(model, checkpoint, quantization, sources)
    step = check_step(model, settings.embedding_as_input)
    read_buffers(model, checkpoint)
    unread = _unread(model, step)
    sharding = shard_model(model, settings.dies, quantization.group_size, unread)
    plan = plan_model(model, sharding, quantization, unread | _not_stored(model, settings))
    vision = plan_vision(model, quantization, settings)
    reader, kernels = WeightReader(checkpoint, quantization, sources), Kernels(spec, settings.activations == "int8")
    job = PackageJob(settings, model, quantization, plan, vision, reader, kernels)
    need_space(settings.artifacts_path, job.stored_bytes)
    return job


def _unread(model: PreTrainedModel, step: Capture) -> frozenset[str]:
    """Parameters that a step does not read, such as those for the images of a model that is compiled for text."""
    tied = first_names(model)
    users = {node.name: node.users for node in step.graph_module.graph.find_nodes(op="placeholder")}
    read = {tied[parameter] for name, parameter in step.parameters.items() if users[name]}
    return frozenset(name for name, first in tied.items() if first not in read)


def _not_stored(model: PreTrainedModel, settings: LlmCompileSettings) -> frozenset[str]:
    """Parameters that the decoder does not store: a tower's, and an embedding that is an input and not a head too."""
    table = model.get_input_embeddings().weight
    named = list(model.named_parameters(remove_duplicate=False))
    tables = [name for name, p in named if p is table]
    tower = find_tower(model)
    vision = [name for name, _ in named if tower is not None and name.startswith(tower.prefix)]
    return frozenset([*vision, *(tables if settings.embedding_as_input and len(tables) == 1 else [])])
