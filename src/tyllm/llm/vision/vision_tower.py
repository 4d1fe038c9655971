"""The vision tower captured from Hugging Face's code, for one size of image."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from hf_checkpoint.vision_tower import TowerModule
from tyllm.llm.attention import segment_attention_name
from tytvm.capture import Capture, capture

if TYPE_CHECKING:
    from transformers import PreTrainedModel


class TowerForGrid(torch.nn.Module):  # type: ignore[misc]
    """The tower for one grid of patches, with all that follows from the grid as constants."""

    def __init__(self, tower: PreTrainedModel, grid: tuple[int, int]) -> None:
        """Compute the tables for `grid`, rows × columns of patches."""
        super().__init__()
        from transformers.vision_utils import (
            get_vision_cu_seqlens,
            get_vision_position_ids,
            get_vision_window_index,
        )

        self.visual = tower
        thw = torch.tensor([[1, *grid]])
        merge = tower.spatial_merge_size
        tables = {
            "position_ids": get_vision_position_ids(thw, merge),
            "cu_seqlens": get_vision_cu_seqlens(thw),
        }
        self.longest = {"max_seqlen": grid[0] * grid[1]}
        if hasattr(tower, "window_size"):
            index, bounds = get_vision_window_index(thw, merge, tower.window_size, tower.patch_size)
            tables |= {"window_index": index, "cu_window_seqlens": bounds}
            self.longest["max_window_seqlen"] = int((bounds[1:] - bounds[:-1]).max())
        for name, table in tables.items():
            self.register_buffer(name, table, persistent=False)
        self.tables = tuple(tables)

    def forward(self, patches: torch.Tensor) -> torch.Tensor:
        """Patches [n, channels · t · p · p] → embeddings [n / merge², hidden], both float32."""
        tables = {name: getattr(self, name) for name in self.tables}
        embeddings: torch.Tensor = self.visual(patches, grid_thw=None, **tables, **self.longest).pooler_output
        return embeddings


def capture_tower(tower: TowerModule, grid: tuple[int, int]) -> Capture:
    """The graph of a vision tower (on the meta device) for one image, or two frames, of rows × columns of patches.

    Its input is `patches`, float32 [rows · columns, channels · t · p · p]; its weights have the names that they have in
    the model.

    Raises:
        UnsupportedError: torch.export cannot trace the tower's code.
    """
    config = tower.module.config
    config._attn_implementation = segment_attention_name()
    width = getattr(config, "in_channels", 3) * config.temporal_patch_size * config.patch_size**2
    patches = torch.zeros(grid[0] * grid[1], width, device="meta")
    return capture(TowerForGrid(tower.module, grid), {"patches": patches}).within("visual.", tower.prefix)
