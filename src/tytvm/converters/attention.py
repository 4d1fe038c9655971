"""Attention of one layer: its new keys and values go into the layer's cache, then the queries read the cache."""

from __future__ import annotations

from typing import Any

import torch

from tytvm.emitter import Emitter
from tytvm.weights import TensorSpec


def convert(emitter: Emitter, node: torch.fx.Node) -> Any:
    """(q [1,H,S,D], k [1,KH,S,D], v [1,KH,S,Dv], layer, scale, window, softcap) → [1,S,H,Dv]."""
    q, k, v, layer, scale, window, softcap = node.args
    (_, heads, tokens, width), v_width = q.meta["val"].shape, v.meta["val"].shape[-1]
    caches = [_append(emitter, emitter.env[new], f"kv:{layer}.{which}", tokens) for which, new in (("k", k), ("v", v))]
    key_heads = int(caches[0].ty.shape[0])
    kernel = emitter.kernels.attention(
        heads, key_heads, tokens, width, v_width, emitter.graph.kv_capacity, scale, window, softcap
    )
    query = emitter.shaped(emitter.env[q], (heads, tokens, width))
    output = TensorSpec((tokens, heads, v_width), "float32")
    result = emitter.call(kernel, [query, *caches, emitter.buffers["io:position"]], output)
    return emitter.shaped(result, tuple(node.meta["val"].shape))


def _append(emitter: Emitter, new: Any, name: str, tokens: int) -> Any:
    """The cache with this step's rows."""
    cache = emitter.buffers[name]
    heads, capacity, width = (int(n) for n in cache.ty.shape)
    kernel = emitter.kernels.cache_append(heads, tokens, width, capacity)
    rows = emitter.shaped(new, (heads, tokens, width))
    return emitter.call_inplace(kernel, [rows, emitter.buffers["io:position"], cache], 2)
