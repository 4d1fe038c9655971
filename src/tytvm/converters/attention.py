"""Attention of one layer: its new keys and values go into the layer's cache, then the queries read the cache."""

from __future__ import annotations

from typing import Any

import torch

from tytvm.emitter import Emitter
from tytvm.graph import kv_cache
from tytvm.kernels.attention.attention import cut_of, own_buffers
from tytvm.kernels.attention.attention_cut import Attention
from tytvm.weights import TensorSpec


def convert(emitter: Emitter, node: torch.fx.Node) -> Any:
    """(q [1,H,S,D], k [1,KH,S,D], v [1,KH,S,Dv], layer, scale, window, softcap) → [1,S,H,Dv]."""
    q, _, _, _, scale, window, softcap = node.args
    _, heads, tokens, width = q.meta["val"].shape
    cache = kv_cache(node, emitter.graph.kv_capacity, emitter.graph.kv_dtype)
    shape = Attention(cache, heads, tokens, scale, window, softcap, emitter.kernels.int8_activations)
    query = emitter.shaped(emitter.env[q], (heads, tokens, width))
    tensors = _append(emitter, node, shape)
    output = TensorSpec((tokens, heads, cache.Dv), "float32")
    return emitter.shaped(_attend(emitter, shape, [query, *tensors], output), tuple(node.meta["val"].shape))


def _append(emitter: Emitter, node: torch.fx.Node, shape: Attention) -> list[Any]:
    """The cache's tensors with this step's rows."""
    _, k, v, layer, *_ = node.args
    rows = [emitter.shaped(emitter.env[new], tuple(new.meta["val"].shape)[1:]) for new in (k, v)]
    tensors = [emitter.buffers[f"kv:{layer}.{suffix}"] for suffix in shape.cache.tensors]
    arguments = [*rows, emitter.buffers["io:position"], *tensors]
    kernel = emitter.kernels.cache_append(shape.cache, shape.S)
    return emitter.call_inplace(kernel, arguments, list(range(3, len(arguments))))


def _attend(emitter: Emitter, shape: Attention, arguments: list[Any], output: TensorSpec) -> Any:
    """One kernel, or two where the context is cut."""
    kernels, cut = emitter.kernels, cut_of(emitter.kernels.spec, shape)
    own = [TensorSpec(*each) for each in own_buffers(cut)]
    arguments = [*arguments, emitter.buffers["io:position"]]
    if cut.parts == 1:
        return emitter.call(kernels.attention(shape), arguments, output, *own)[0]
    _, *partial = emitter.call(kernels.attention(shape), arguments, *own)
    return emitter.call(kernels.attention_merge(shape), partial, output)
