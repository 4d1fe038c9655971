"""Attention as one operator, registered with Hugging Face's attention interface: decoders that use it are captured."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import torch

from tyllm.llm.attention_mask import mask, window_of
from tyllm_base.errors import UnsupportedError

if TYPE_CHECKING:
    from transformers import PretrainedConfig

IMPLEMENTATION = "tytvm"
"""Name under which the operator is registered, for `config._attn_implementation`."""
CHUNKED = "chunked_attention"
"""What `layer_types` calls a layer whose attention stays within a chunk of tokens."""


def attention(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    scaling: float | None = None,
    dropout: float = 0.0,
    sliding_window: int | None = None,
    softcap: float | None = None,
    s_aux: torch.Tensor | None = None,
    **_: object,
) -> tuple[torch.Tensor, None]:
    """Hugging Face's attention function: query [1,H,S,D], key and value [1,KH,S,D(v)] → [1,S,H,Dv].

    Raises:
        UnsupportedError: the layer wants what the operator does not do: its own mask, or no causality.
    """
    name = type(module).__name__
    window = window_of(
        attention_mask
    )  # the mask decides: not every model tells the window too, or only where it is used
    if window is None:
        raise UnsupportedError(f"{name} wants a mask of its own, which cannot be compiled; choose another model.")
    if sliding_window and sliding_window != window:
        raise UnsupportedError(
            f"{name} has a sliding window of {sliding_window} tokens, and its mask has one of {window or 'all'}; "
            "correct config.json."
        )
    if not getattr(module, "is_causal", True):
        raise UnsupportedError(f"{name} is not causal, which cannot be compiled; choose a decoder.")
    scale = scaling if scaling is not None else query.shape[-1] ** -0.5
    layer = int(module.layer_idx)
    settings = layer, scale, window, softcap or 0.0, _chunk_size(module.config, layer)
    return torch.ops.tytvm.attention(query, key, value, *settings, s_aux), None


def _chunk_size(config: PretrainedConfig, layer: int) -> int:
    """Tokens of a chunk that a layer's attention stays in; 0 where it sees all (Llama 4 has both kinds)."""
    kinds = getattr(config, "layer_types", None) or ()
    is_chunked = layer < len(kinds) and kinds[layer] == CHUNKED
    return int(config.attention_chunk_size) if is_chunked else 0


def segment_attention(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    scaling: float | None = None,
    cu_seq_lens_q: torch.Tensor | None = None,
    **_: object,
) -> tuple[torch.Tensor, None]:
    """`attention` of packed sequences [1,H,S,D] → [1,S,H,Dv], not causal; `cu_seq_lens_q` int32 [n + 1] bounds them."""
    scale = scaling if scaling is not None else query.shape[-1] ** -0.5
    return torch.ops.tytvm.segment_attention(query, key, value, cu_seq_lens_q, scale), None


def segment_attention_name() -> str:
    """The name of `segment_attention`, which transformers takes for flash attention, and so gives packed sequences."""
    register()
    return f"{IMPLEMENTATION}_flash"


@cache
def register() -> None:
    """Make the operators known to transformers; the mask is left to them, where it is causal."""
    from transformers import AttentionInterface
    from transformers.masking_utils import AttentionMaskInterface

    import tytvm.ops  # noqa: F401  (defines torch.ops.tytvm)

    AttentionInterface.register(IMPLEMENTATION, attention)
    AttentionInterface.register(f"{IMPLEMENTATION}_flash", segment_attention)
    AttentionMaskInterface.register(IMPLEMENTATION, mask)
