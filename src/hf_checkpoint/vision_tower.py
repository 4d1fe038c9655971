"""The vision tower of a vision-language model: where transformers' model has it, its modules, and its tokens."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hf_checkpoint.families import vision_facts

if TYPE_CHECKING:
    from torch import nn
    from transformers import PretrainedConfig, PreTrainedModel


@dataclass(frozen=True)
class TowerModule:
    """The part of a model that turns images into rows among the embeddings.

    Attributes:
        module: transformers' module.
        name: its name in the model; its tensors' names start with that and a dot.
    """

    module: PreTrainedModel
    name: str

    @property
    def prefix(self) -> str:
        """How the names of its tensors begin."""
        return f"{self.name}."

    @property
    def pixels_per_token(self) -> int:
        """Height and width, in pixels, of the square of an image that becomes one embedding."""
        return int(self.module.config.spatial_merge_size * self.module.config.patch_size)

    def units(self) -> Iterator[tuple[str, nn.Module]]:
        """Its modules in the order of computation, with their full names: patch embedding, each block, merger."""
        from torch import nn

        for name, module in self.module.named_children():
            if isinstance(module, nn.ModuleList):
                yield from ((f"{self.prefix}{name}.{index}", block) for index, block in enumerate(module))
            elif any(True for _ in module.parameters()):
                yield f"{self.prefix}{name}", module


def find_tower(model: PreTrainedModel) -> TowerModule | None:
    """The vision tower of a model; None where it reads text alone."""
    facts = vision_facts({"model_type": model.config.model_type})
    if facts is None:
        return None
    named = model.named_modules()
    return next(TowerModule(module, name) for name, module in named if name.rpartition(".")[2] == facts.tower)


def vision_tokens(config: PretrainedConfig) -> dict[str, int]:
    """The tokens of a vision-language model, by what they are for: an image, a video, the start and the end of one."""
    facts = vision_facts({"model_type": config.model_type})
    return {} if facts is None else {name: int(getattr(config, token)) for name, token in facts.tokens.items()}
