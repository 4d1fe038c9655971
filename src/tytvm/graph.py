"""The input of a compile: a captured graph, the formats of its weights, and the caches of its attention layers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch

from tytvm.capture import Capture
from tytvm.kernels.operands.kv_cache import KvCache
from tytvm.memory_layout import MemoryLayout, lay_out
from tytvm.weights import TensorSpec, WeightFormat


@dataclass(frozen=True)
class Graph:
    """A captured graph, with the format of each weight, the size of the caches and the names of its outputs."""

    capture: Capture
    weights: Mapping[str, WeightFormat]
    """Parameter's dotted name → format; two names of one tensor (a tied head) share the format object's stored name."""
    stored_names: Mapping[str, str]
    """Parameter's dotted name → name of its stored tensor (itself, unless it is tied to another)."""
    kv_capacity: int = 0
    """Rows of each layer's key/value cache, where there are such layers."""
    kv_dtype: str = "float16"
    """Type of the caches, "float16" or "int8"."""
    slot_bytes: int = 0
    """Of a batch, whose tokens are each of a sequence of its own: from one slot's caches to the next one's."""
    outputs: tuple[str, ...] = ("logits",)
    """Names of what the graph returns, in order: the program's buffers `io:<name>`."""
    head_input: str | None = "row"
    """The input on which the head depends, the part of the program that may run again for another value of it."""


def kv_cache(node: torch.fx.Node, capacity: int, dtype: str, slot_bytes: int = 0) -> KvCache:
    """The cache of an attention layer."""
    (_, heads, _, width), v_width = node.args[1].meta["val"].shape, node.args[2].meta["val"].shape[-1]
    return KvCache(heads, capacity, width, v_width, dtype, slot_bytes)


def kv_layout(capture: Capture, capacity: int, dtype: str = "float16") -> MemoryLayout:
    """The caches of a graph's attention layers: `<layer>.k`, `<layer>.v` and, of int8, their scales."""
    specs: dict[str, TensorSpec] = {}
    for node in capture.graph_module.graph.nodes:
        if node.target is torch.ops.tytvm.attention.default:
            tensors = kv_cache(node, capacity, dtype).tensors
            specs |= {f"{node.args[3]}.{suffix}": TensorSpec(*spec) for suffix, spec in tensors.items()}
    return lay_out(specs)
