"""The vision tower of a vision-language model, which turns images into rows among the embeddings."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from torch import nn

from hf_checkpoint.vision_tower import find_tower


@dataclass(frozen=True)
class Tower:
    """A vision tower on the meta device.

    Attributes:
        module: the tower.
        name: its tensors' names start with that and a dot.
    """

    module: Any
    name: str

    @classmethod
    def find(cls, model: Any) -> Tower | None:
        """The tower of `model`; None if it reads text alone."""
        found = find_tower(model)
        return None if found is None else cls(found[1], found[0])

    @property
    def side(self) -> int:
        """Height and width of the square of pixels that becomes one embedding."""
        return int(self.module.config.spatial_merge_size * self.module.config.patch_size)

    def units(self) -> Iterator[tuple[str, nn.Module]]:
        """What is in memory at a time, with its full name: the patch embedding, each block, the merger."""
        for name, module in self.module.named_children():
            if isinstance(module, nn.ModuleList):
                yield from ((f"{self.name}.{name}.{index}", block) for index, block in enumerate(module))
            elif any(True for _ in module.parameters()):
                yield f"{self.name}.{name}", module
