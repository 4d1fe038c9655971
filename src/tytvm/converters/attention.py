"""Attention of one layer: its new keys and values go into the layer's cache, then the queries read the cache."""

from __future__ import annotations

import torch

from tytvm.emitter import Emitter, Value
from tytvm.graph import kv_cache
from tytvm.kernels.operators import Attention, CacheAppend
from tytvm.rewrites.pattern import complete
from tytvm.weights import TensorSpec


def convert(emitter: Emitter, node: torch.fx.Node) -> Value:
    """(q [1,H,S,D], k [1,KH,S,D], v [1,KH,S,Dv], layer, scale, …, sinks [H], slopes [H]) → [1,S,H,Dv]."""
    q, _, _, _, scale, window, softcap, chunk, sinks, slopes = complete(node.target, node.args, node.kwargs)
    _, heads, tokens, width = q.meta["val"].shape
    graph = emitter.graph
    cache = kv_cache(node, graph.kv_capacity, graph.kv_dtype, graph.slot_bytes)
    coarse = emitter.kernels.int8_activations
    by_head = sinks is not None, slopes is not None
    shape = Attention(cache, heads, tokens, scale, window, softcap, coarse, chunk, *by_head)
    query = emitter.reshape(emitter.env[q], (heads, tokens, width))
    tensors = _append(emitter, node, shape)
    output = TensorSpec((tokens, heads, cache.Dv), "float32")
    of_heads = [[] if each is None else [emitter.env[each]] for each in (slopes, sinks)]
    result = _attend(emitter, shape, [query, *tensors], of_heads, output)
    return emitter.reshape(result, tuple(node.meta["val"].shape))


def _append(emitter: Emitter, node: torch.fx.Node, shape: Attention) -> list[Value]:
    """The cache's tensors with this step's rows."""
    _, k, v, layer, *_ = node.args
    rows = [emitter.reshape(emitter.env[new], tuple(new.meta["val"].shape)[1:]) for new in (k, v)]
    tensors = [emitter.buffers[f"kv:{layer}.{suffix}"] for suffix in shape.cache.tensors]
    arguments = [*rows, *_places(emitter, shape), *tensors]
    choice = emitter.kernels.choose(CacheAppend(shape.cache, shape.S))
    return emitter.call_inplace(choice, arguments, list(range(len(arguments) - len(tensors), len(arguments))))


def _places(emitter: Emitter, shape: Attention) -> list[Value]:
    """What says where the tokens are: the first one's place or, in a batch, each one's, and each one's slot."""
    names = ["position", "slot"] if shape.cache.slot_bytes else ["position"]
    return [emitter.buffers[f"io:{name}"] for name in names]


def _attend(
    emitter: Emitter,
    shape: Attention,
    arguments: list[Value],
    of_heads: list[list[Value]],
    output: TensorSpec,
) -> Value:
    """One kernel, or two where the context is split: the first reads the slopes, the last the sinks."""
    slopes, sinks = of_heads
    choice = emitter.kernels.choose(shape)
    workspace = [TensorSpec(*each) for each in choice.specialization.workspace]
    merge = choice.specialization.followed_by
    arguments = [*arguments, *_places(emitter, shape), *slopes]
    if merge is None:
        return emitter.call(choice, [*arguments, *sinks], output, *workspace)[0]
    _, *partial = emitter.call(choice, arguments, *workspace)
    return emitter.call(emitter.kernels.choose(merge), [*partial, *sinks], output)
