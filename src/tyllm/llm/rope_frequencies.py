"""Rotary frequencies that depend on a text's length, chosen once by the length of the cache.

LongRoPE (Ding et al., 2024, arXiv:2402.13753) has a table for texts up to the length that the model was first trained
for, and one for longer ones. Transformers chooses by the tokens of each call, and must compute a cache again when a
text outgrows the first table; a package has one table, and so a cache that never changes its meaning.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from transformers import PreTrainedModel


def fix_frequencies(model: PreTrainedModel, max_kv_cache_size: int) -> None:
    """Give the rotary embeddings of `model`, in place, the frequencies of a text as long as the cache, for good.

    Those of "dynamic" scaling are the plain ones within the positions that a model has, and no cache is longer.
    """
    for module in model.modules():
        kind = getattr(module, "rope_type", None)
        if isinstance(kind, Mapping):  # of models whose layers differ in it
            for layers, own in kind.items():
                _fix(module, own, f"{layers}_", layers, max_kv_cache_size)
            module.rope_type = dict.fromkeys(kind, "default")
        elif isinstance(kind, str):
            _fix(module, kind, "", None, max_kv_cache_size)
            module.rope_type = "default"


def _fix(module: torch.nn.Module, kind: str, prefix: str, layers: str | None, tokens: int) -> None:
    """Compute the frequencies of one kind of layers, where they depend on the length."""
    from transformers.modeling_rope_utils import ROPE_INIT_FUNCTIONS

    if kind == "longrope":
        own = {} if layers is None else {"layer_type": layers}
        found, _ = ROPE_INIT_FUNCTIONS[kind](module.config, torch.device("cpu"), seq_len=tokens, **own)
        module.register_buffer(f"{prefix}inv_freq", found, persistent=False)
