"""Attention as one operator, registered with Hugging Face's attention interface: decoders that use it are captured."""

from __future__ import annotations

from functools import cache

import torch

from tyllm_base.errors import UnsupportedError

IMPLEMENTATION = "tytvm"
"""Name under which the operator is registered, for `config._attn_implementation`."""


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
        UnsupportedError: the layer wants what the operator does not do: its own mask, attention sinks, no causality.
    """
    name = type(module).__name__
    for wanted, what in ((attention_mask is not None, "a mask of its own"), (s_aux is not None, "attention sinks")):
        if wanted:
            raise UnsupportedError(f"{name} wants {what}, which cannot be compiled; choose another model.")
    if not getattr(module, "is_causal", True):
        raise UnsupportedError(f"{name} is not causal, which cannot be compiled; choose a decoder.")
    scale = scaling if scaling is not None else query.shape[-1] ** -0.5
    layer = int(module.layer_idx)
    return torch.ops.tytvm.attention(query, key, value, layer, scale, sliding_window or 0, softcap or 0.0), None


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
    """Make the operators known to transformers; the mask is left to them."""
    from transformers import AttentionInterface
    from transformers.masking_utils import AttentionMaskInterface

    import tytvm.ops  # noqa: F401  (defines torch.ops.tytvm)

    AttentionInterface.register(IMPLEMENTATION, attention)
    AttentionInterface.register(f"{IMPLEMENTATION}_flash", segment_attention)
    AttentionMaskInterface.register(IMPLEMENTATION, lambda *_, **__: None)
