"""Qwen2.5-VL's forward pass for training: images of one size as a batch.

The weights are those of transformers' model; a test compares the results.
"""

from typing import Any

import torch
import torch.nn.functional as F
from transformers.vision_utils import get_vision_position_ids, get_vision_window_index


def norm(module: Any, x: torch.Tensor) -> torch.Tensor:
    """RMSNorm."""
    return F.rms_norm(x, x.shape[-1:], module.weight, module.variance_epsilon)


def rotate(x: torch.Tensor, cosine: torch.Tensor, sine: torch.Tensor) -> torch.Tensor:
    """Rotary embedding of (…, heads, tokens, width) with tables (…, tokens, width)."""
    left, right = x.chunk(2, dim=-1)
    return x * cosine + torch.cat((-right, left), dim=-1) * sine


def mlp(module: Any, x: torch.Tensor) -> torch.Tensor:
    """Gated feed-forward."""
    return module.down_proj(F.silu(module.gate_proj(x)) * module.up_proj(x))


class Windows:
    """The order of an image's patches by windows, and the pairs that attention leaves out, for one size of image.

    Args:
        visual: The vision tower.
        rows: Patches from top to bottom.
        columns: Patches from left to right.
    """

    def __init__(self, visual: Any, rows: int, columns: int) -> None:
        grid = torch.tensor([[1, rows, columns]])
        merge = visual.spatial_merge_size
        order, bounds = get_vision_window_index(grid, merge, visual.window_size, visual.patch_size)
        self.restore = order.argsort()  # of image tokens
        unit = merge * merge
        self.order = (order[:, None] * unit + torch.arange(unit)).flatten()  # of patches
        cosine, sine = visual.rotary_pos_emb(torch.zeros(1), get_vision_position_ids(grid, merge)[self.order])
        self.cosine, self.sine = cosine, sine
        lengths = bounds.diff()
        window = torch.arange(len(lengths)).repeat_interleave(lengths)
        self.masked = window[:, None] != window[None]


def attention(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, masked: torch.Tensor | None) -> torch.Tensor:
    """Attention of (…, tokens, width) each, without the pairs in `masked`."""
    scores = (q @ k.transpose(-1, -2)).float() * q.shape[-1] ** -0.5
    if masked is not None:
        scores = scores.masked_fill(masked, -1e9)
    return scores.softmax(dim=-1).to(v.dtype) @ v


def vision_attention(module: Any, x: torch.Tensor, windows: Windows, whole: bool) -> torch.Tensor:
    """Vision attention on (images, patches, width), in windows or `whole`."""
    images, tokens, width = x.shape
    qkv = module.qkv(x).view(images, tokens, 3, module.num_heads, -1).permute(2, 0, 3, 1, 4)
    cosine, sine = windows.cosine.to(qkv.dtype), windows.sine.to(qkv.dtype)
    q, k, v = rotate(qkv[0], cosine, sine), rotate(qkv[1], cosine, sine), qkv[2]
    out = attention(q, k, v, None if whole else windows.masked)
    return module.proj(out.transpose(1, 2).reshape(images, tokens, width))


def image_tokens(visual: Any, patches: torch.Tensor, windows: Windows) -> torch.Tensor:
    """(images · tokens, out width) of (images, patches, values)."""
    weight = visual.patch_embed.proj.weight.flatten(1)
    x = F.linear(patches, weight)[:, windows.order]
    for i, block in enumerate(visual.blocks):
        x = x + vision_attention(block.attn, norm(block.norm1, x), windows, i in visual.fullatt_block_indexes)
        x = x + mlp(block.mlp, norm(block.norm2, x))
    x = norm(visual.merger.ln_q, x)
    x = visual.merger.mlp(x.reshape(len(x), -1, visual.merger.hidden_size))
    return x[:, windows.restore].flatten(0, 1)


def causal_attention(module: Any, x: torch.Tensor, cosine: torch.Tensor, sine: torch.Tensor) -> torch.Tensor:
    """Causal attention on (examples, tokens, width)."""
    examples, tokens, _ = x.shape
    split = (examples, tokens, -1, module.head_dim)
    q, k, v = (p(x).view(split).transpose(1, 2) for p in (module.q_proj, module.k_proj, module.v_proj))
    k, v = (t.repeat_interleave(module.num_key_value_groups, dim=1) for t in (rotate(k, cosine, sine), v))
    later = torch.ones(tokens, tokens, dtype=torch.bool).triu(1)
    out = attention(rotate(q, cosine, sine), k, v, later)
    return module.o_proj(out.transpose(1, 2).flatten(2))


def hidden_states(language: Any, x: torch.Tensor, positions: torch.Tensor) -> torch.Tensor:
    """Of the language model, after its last norm."""
    cosine, sine = (table.unsqueeze(1) for table in language.rotary_emb(x, positions))
    if torch.is_autocast_enabled("cpu"):
        cosine, sine = cosine.bfloat16(), sine.bfloat16()
    for layer in language.layers:
        x = x + causal_attention(layer.self_attn, norm(layer.input_layernorm, x), cosine, sine)
        x = x + mlp(layer.mlp, norm(layer.post_attention_layernorm, x))
    return norm(language.norm, x)


def all_logits(model: Any, batch: dict[str, torch.Tensor], windows: Windows) -> tuple[torch.Tensor, torch.Tensor]:
    """Logits (examples, length, vocabulary), and the image tokens (images · tokens, width)."""
    inner, images = model.model, batch["images"]
    seen = image_tokens(inner.visual, batch["patches"], windows)
    x = inner.language_model.embed_tokens(batch["ids"])
    x = torch.where((images >= 0)[..., None], seen[images.clamp(min=0)], x.to(seen.dtype))
    return model.lm_head(hidden_states(inner.language_model, x, batch["positions"])), seen
