"""A vision-language model's other parts than its decoder: the vision tower for one size, and the rotary positions."""

from __future__ import annotations

import re
from types import SimpleNamespace
from typing import Any

import torch

from hf_checkpoint.vision_tower import find_tower
from tyllm.build.tensor_parallel import IN, OUT, ModelSharding, WeightSharding, group_spans
from tyllm.llm.attention import segment_attention_name
from tyllm_errors import SettingError
from tytvm.axis_spans import Span, split_axis
from tytvm.capture import Capture, capture
from tytvm.weights import LANES

FUSED_QKV = re.compile(r"\.attn\.qkv$")
PROJECTION = re.compile(r"\.attn\.proj$")
COLUMNWISE = re.compile(r"\.(mlp\.(gate_proj|up_proj|fc1)|merger\.mlp\.0)$")
ROWWISE = re.compile(r"\.(mlp\.(down_proj|fc2)|merger\.mlp\.2)$")
GROUP = 32
"""Inputs that a tile of a float16 weight's product takes: the unit in which the tower's MLPs are cut."""


def tower_prefix(model: Any) -> tuple[str, ...]:
    """How the names of the vision tower's weights begin, for `str.startswith`; nothing where there is none."""
    found = find_tower(model)
    return () if found is None else (f"{found[0]}.",)


def tower_of(model: Any) -> tuple[str, Any]:
    """Name and module of the vision tower of a model that has one."""
    found = find_tower(model)
    assert found is not None
    return found


def split_visual(model: Any, dies: int) -> ModelSharding:
    """The split of the vision tower over `dies`: heads, and the MLPs' inner axes; all else is whole on each.

    Raises:
        SettingError: there are fewer heads than dies.
    """
    name, visual = tower_of(model)
    cuts: dict[str, WeightSharding] = {}
    if dies == 1:
        return ModelSharding(dies, cuts, ())
    heads, width = _heads(visual)
    if heads < dies:
        raise SettingError(f"The vision tower's {heads} heads do not split over {dies} dies; use {heads} or fewer.")
    spans = tuple((start * width, stop * width) for start, stop in split_axis(heads, 1, dies, "the vision heads"))
    for inner, module in visual.named_modules():
        cut = _cut_of(f".{inner}", module, spans, dies) if isinstance(module, torch.nn.Linear) else None
        if cut is not None:
            cuts[f"{name}.{inner}.weight"] = cut
            if module.bias is not None and cut.axis == OUT:
                cuts[f"{name}.{inner}.bias"] = cut
    return ModelSharding(dies, cuts, ())


def _heads(visual: Any) -> tuple[int, int]:
    """Number of heads and their width."""
    attention = visual.blocks[0].attn
    return attention.dim // attention.head_dim, attention.head_dim


def _cut_of(name: str, module: torch.nn.Linear, heads: tuple[Span, ...], dies: int) -> WeightSharding | None:
    """How a linear layer of the tower is cut; not at all where a head is no whole number of vectors."""
    whole_heads = all((stop - start) % LANES == 0 for start, stop in heads)
    if FUSED_QKV.search(name):
        return WeightSharding(OUT, heads, blocks=3) if whole_heads else None
    if PROJECTION.search(name):
        return WeightSharding(IN, heads) if whole_heads else None
    for axis, pattern in ((OUT, COLUMNWISE), (IN, ROWWISE)):
        if pattern.search(name):
            return WeightSharding(axis, group_spans(name, module, axis, dies, GROUP))
    return None


def set_heads(model: Any, sharding: ModelSharding, die: int) -> None:
    """Tell the tower's attention how many heads a die has, which its code does not read off the weight."""
    name, visual = tower_of(model)
    heads, width = _heads(visual)
    for index, block in enumerate(visual.blocks):
        cut = sharding.of(f"{name}.blocks.{index}.attn.qkv.weight")
        block.attn.num_heads = heads if cut.axis is None else cut.size(die) // (3 * width)


class _Tower(torch.nn.Module):  # type: ignore[misc]
    """The tower for one grid of patches, with all that follows from the grid as constants."""

    def __init__(self, visual: Any, grid: tuple[int, int]) -> None:
        super().__init__()
        from transformers.vision_utils import (
            get_vision_cu_seqlens,
            get_vision_position_ids,
            get_vision_window_index,
        )

        self.visual = visual
        thw = torch.tensor([[1, *grid]])
        merge = visual.spatial_merge_size
        tables = {
            "position_ids": get_vision_position_ids(thw, merge),
            "cu_seqlens": get_vision_cu_seqlens(thw),
        }
        self.longest = {"max_seqlen": grid[0] * grid[1]}
        if hasattr(visual, "window_size"):
            index, bounds = get_vision_window_index(thw, merge, visual.window_size, visual.patch_size)
            tables |= {"window_index": index, "cu_window_seqlens": bounds}
            self.longest["max_window_seqlen"] = int((bounds[1:] - bounds[:-1]).max())
        for name, table in tables.items():
            self.register_buffer(name, table, persistent=False)
        self.tables = tuple(tables)

    def forward(self, patches: torch.Tensor) -> torch.Tensor:
        """Patches [n, channels · t · p · p] → embeddings [n / merge², hidden]."""
        tables = {name: getattr(self, name) for name in self.tables}
        embeddings: torch.Tensor = self.visual(patches, grid_thw=None, **tables, **self.longest).pooler_output
        return embeddings


def capture_tower(model: Any, grid: tuple[int, int]) -> Capture:
    """The graph of the vision tower (on the meta device) for one image, or two frames, of `grid` patches."""
    name, visual = tower_of(model)
    visual.config._attn_implementation = segment_attention_name()
    config = visual.config
    width = getattr(config, "in_channels", 3) * config.temporal_patch_size * config.patch_size**2
    patches = torch.zeros(grid[0] * grid[1], width, device="meta")
    return capture(_Tower(visual, grid), {"patches": patches}).within("visual.", f"{name}.")


class _RotaryPositions(torch.nn.Module):  # type: ignore[misc]
    """Positions to the cosines and sines that the decoder's layers rotate by."""

    def __init__(self, rotary: Any) -> None:
        super().__init__()
        self.rotary = rotary

    def forward(self, positions: torch.Tensor) -> torch.Tensor:
        """int32 [3, n] (time, row, column) → cosines and sines, float32 [n, 2, head_dim / 2]."""
        cos, sin = self.rotary(torch.empty(0, device=positions.device), positions.unsqueeze(1))
        half = cos.shape[-1] // 2
        return torch.stack([cos[0, :, :half], sin[0, :, :half]], dim=1)


def capture_rotary(model: Any, tokens: int) -> Capture:
    """The graph that computes the rotary positions of so many tokens."""
    module = _RotaryPositions(language_of(model).rotary_emb)
    return capture(module, {"positions": torch.zeros(3, tokens, dtype=torch.int32, device="meta")})


class _GivenRotary(torch.nn.Module):  # type: ignore[misc]
    """Stands for the decoder's rotary embedding: gives what was computed before, whatever the positions."""

    def __init__(self) -> None:
        super().__init__()
        self.given = SimpleNamespace()  # export takes a tensor that is set on the module itself for a mistake

    def forward(self, x: torch.Tensor, position_ids: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Cosines and sines [1, S, head_dim]."""
        table = self.given.table
        doubled = torch.cat([table, table], dim=-1).unsqueeze(0)
        return doubled[:, :, 0], doubled[:, :, 1]


class _Step(torch.nn.Module):  # type: ignore[misc]
    """The decoder as one step: embeddings and rows of the rotary table in, logits of one row out."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model
        self.rotary = language_of(model).rotary_emb = _GivenRotary()

    def forward(self, embeddings: torch.Tensor, rope_param: torch.Tensor, row: torch.Tensor) -> torch.Tensor:
        """Logits [1, 1, vocabulary] of row `row`."""
        self.rotary.given.table = rope_param
        positions = torch.zeros(3, 1, embeddings.shape[1], dtype=torch.int64, device=embeddings.device)
        language = language_of(self.model)
        hidden = language(inputs_embeds=embeddings, position_ids=positions, use_cache=False).last_hidden_state
        logits: torch.Tensor = self.model.get_output_embeddings()(hidden[:, row])
        return logits


def capture_language_step(model: Any, seq_len: int) -> Capture:
    """The graph of a step of `seq_len` embeddings; its weights have the names that they have in `model`."""
    text = model.config.get_text_config()
    head_dim = getattr(text, "head_dim", None) or text.hidden_size // text.num_attention_heads
    rotary = language_of(model).rotary_emb
    with torch.device("meta"):
        inputs = {
            "embeddings": torch.zeros(1, seq_len, text.hidden_size),
            "rope_param": torch.zeros(seq_len, 2, head_dim // 2),
            "row": torch.zeros(1, dtype=torch.int64),
        }
    try:
        return capture(_Step(model), inputs).within("model.")
    finally:
        language_of(model).rotary_emb = rotary


def language_of(model: Any) -> Any:
    """The decoder of a vision-language model."""
    return model.model.language_model
