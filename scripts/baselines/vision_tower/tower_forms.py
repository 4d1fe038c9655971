"""The vision tower of a checkpoint in torch: as Hugging Face runs it, and in the forms that the others convert.

Everything that follows from the grid of patches is a constant: windows, rotary angles, order. A form says how attention
keeps within its windows, and the op that computes it, as in "batched-sdpa":

- "windows": one attention for each window, as Hugging Face's own code does.
- "batched": windows of one size lie side by side and are one batch; the order of windows changes nothing else.
- "masks": one attention over all tokens with a mask, as optimum-intel exports it.
"""

import json
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
import transformers
from safetensors import safe_open
from torch import Tensor, nn
from transformers.vision_utils import get_vision_cu_seqlens, get_vision_position_ids, get_vision_window_index

MODELS = {
    "qwen2_vl": "Qwen2VisionTransformerPretrainedModel",
    "qwen2_5_vl": "Qwen2_5_VisionTransformerPretrainedModel",
}
PREFIX = "visual."
FLASH = "baselines_flash"  # a name that counts as flash attention: such a function gets all windows at once


@dataclass(frozen=True)
class Batch:
    """`count` windows of `length` tokens each, the first of which is `start`."""

    start: int
    count: int
    length: int

    def of(self, heads: Tensor) -> Tensor:
        """[1, H, S, D] → [count, H, length, D]."""
        stop = self.start + self.count * self.length
        return heads[0, :, self.start : stop].unflatten(1, (self.count, self.length)).transpose(0, 1)


def tower_of(checkpoint: Path, attention: str = "sdpa", dtype: torch.dtype = torch.float32) -> Any:
    """Hugging Face's module with the checkpoint's weights."""
    from transformers.models.qwen2_5_vl import modeling_qwen2_5_vl
    from transformers.models.qwen2_vl import modeling_qwen2_vl

    config = transformers.AutoConfig.from_pretrained(checkpoint)
    module = modeling_qwen2_vl if config.model_type == "qwen2_vl" else modeling_qwen2_5_vl
    vision = config.vision_config
    vision._attn_implementation = attention
    with torch.device("meta"):
        visual = getattr(module, MODELS[config.model_type])(vision)
    visual.rotary_pos_emb = type(visual.rotary_pos_emb)(vision)  # its table is no weight
    visual.load_state_dict(weights(checkpoint, dtype), assign=True)
    return visual.eval().requires_grad_(False)


def weights(checkpoint: Path, dtype: torch.dtype) -> dict[str, Tensor]:
    """The tower's weights, named as in the module."""
    found = {}
    for path in sorted(checkpoint.glob("*.safetensors")):
        with safe_open(path, "pt") as file:
            own = [name for name in file.keys() if name.startswith(PREFIX)]  # noqa: SIM118 (no dictionary)
            found |= {name.removeprefix(PREFIX): file.get_tensor(name).to(dtype) for name in own}
    return found


class OwnTower(nn.Module):
    """Hugging Face's code as it is: patches [n, 1176] → embeddings [n / 4, H]."""

    def __init__(self, visual: Any, grid: tuple[int, int]) -> None:
        super().__init__()
        self.visual, self.thw = visual, torch.tensor([[1, *grid]])

    def forward(self, patches: Tensor) -> Tensor:
        """Float32 in, float32 out."""
        embeddings: Tensor = self.visual(patches.to(self.visual.dtype), grid_thw=self.thw).pooler_output
        return embeddings.float()


class FormedTower(nn.Module):
    """The same with all that follows from the grid as constants, attention in some form, the patches' Conv3d linear."""

    def __init__(self, visual: Any, grid: tuple[int, int], form: str) -> None:
        super().__init__()
        transformers.AttentionInterface.register(FLASH, attend_windows)
        visual.config._attn_implementation = FLASH
        self.visual, (kind, self.op) = visual, form.split("-")
        self.dtype = visual.dtype
        thw, tokens = torch.tensor([[1, *grid]]), grid[0] * grid[1]
        self.position_ids = nn.Buffer(get_vision_position_ids(thw, visual.spatial_merge_size), persistent=False)
        self.cu_seqlens = nn.Buffer(get_vision_cu_seqlens(thw), persistent=False)
        for block in visual.blocks:
            block.attn.batches, block.attn.op = (Batch(0, 1, tokens),), self.op
        self.windows: dict[str, Any] = {"max_seqlen": tokens}
        if hasattr(visual, "window_size"):
            self._set_windows(thw, kind)
        self._make_patches_linear()

    def forward(self, patches: Tensor) -> Tensor:
        """Float32 in, float32 out."""
        tables = {"position_ids": self.position_ids, "cu_seqlens": self.cu_seqlens, **self.windows}
        if hasattr(self, "window_index"):
            tables |= {"window_index": self.window_index, "cu_window_seqlens": self.cu_window_seqlens}
        embeddings: Tensor = self.visual(patches.to(self.dtype), grid_thw=None, **tables).pooler_output
        return embeddings.float()

    def _set_windows(self, thw: Tensor, kind: str) -> None:
        visual = self.visual
        index, bounds = get_vision_window_index(thw, visual.spatial_merge_size, visual.window_size, visual.patch_size)
        lengths = (bounds[1:] - bounds[:-1]).tolist()
        if kind == "batched":
            index, lengths = by_length(index, lengths, visual.spatial_merge_unit)
        self.window_index = nn.Buffer(index, persistent=False)
        self.cu_window_seqlens = nn.Buffer(bounds, persistent=False)
        self.windows["max_window_seqlen"] = max(lengths)
        mask = nn.Buffer(window_mask(lengths).to(self.dtype), persistent=False)
        for number, block in enumerate(visual.blocks):
            if number in visual.fullatt_block_indexes:
                continue
            if kind == "masks":
                block.attn.mask = mask
            else:
                block.attn.batches = batches(lengths, whole_runs=kind == "batched")

    def _make_patches_linear(self) -> None:
        kernel = self.visual.patch_embed.proj.weight.flatten(1)
        self.visual.patch_embed = nn.Linear(*reversed(kernel.shape), bias=False, device="meta")
        self.visual.patch_embed.weight = nn.Parameter(kernel, requires_grad=False)


def by_length(index: Tensor, lengths: list[int], unit: int) -> tuple[Tensor, list[int]]:
    """The windows in order of their lengths, long ones first; `index` counts merged tokens, `unit` patches each."""
    parts = list(index.split([length // unit for length in lengths]))
    parts.sort(key=len, reverse=True)
    return torch.cat(parts), sorted(lengths, reverse=True)


def batches(lengths: list[int], *, whole_runs: bool) -> tuple[Batch, ...]:
    """A batch for each run of windows of one length, or for each window."""
    found, start = [], 0
    for length, run in groupby(lengths):
        count = len(list(run))
        each = [count] if whole_runs else [1] * count
        for windows in each:
            found.append(Batch(start, windows, length))
            start += windows * length
    return tuple(found)


def window_mask(lengths: list[int]) -> Tensor:
    """[1, 1, S, S]: 0 within a window, minus infinity elsewhere."""
    number = torch.arange(len(lengths)).repeat_interleave(torch.tensor(lengths))
    return torch.zeros(1).masked_fill(number[:, None] != number, float("-inf"))[None, None]


def attend_windows(
    module: Any, query: Tensor, key: Tensor, value: Tensor, attention_mask: None, scaling: float, **_: Any
) -> tuple[Tensor, None]:
    """Hugging Face's attention function for what `FormedTower` set up: [1, H, S, D] → [1, S, H, D]."""
    parts = []
    for batch in module.batches:
        heads = (batch.of(each) for each in (query, key, value))
        out = attend(*heads, getattr(module, "mask", None), scaling, module.op)
        parts.append(out.transpose(1, 2).flatten(0, 1))
    return torch.cat(parts)[None], None


def attend(query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None, scaling: float, op: str) -> Tensor:
    """[B, H, L, D] → [B, H, L, D], as one operator ("sdpa") or as two products and a softmax ("matmul")."""
    if op == "sdpa":
        return F.scaled_dot_product_attention(query, key, value, attn_mask=mask, scale=scaling)
    scores = (query * scaling) @ key.transpose(-1, -2)
    return (scores if mask is None else scores + mask).softmax(-1) @ value


def grid_of(folder: Path) -> tuple[int, int]:
    """Rows and columns of patches, as written beside them."""
    rows, columns = json.loads((folder / "grid.json").read_text(encoding="utf-8"))
    return rows, columns
