"""What is compiled: a captured graph, how each of its weights is stored, and the caches of its attention layers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch

from tytvm.capture import Capture
from tytvm.layout import Layout, lay_out
from tytvm.weights import TensorSpec, WeightFormat


@dataclass(frozen=True)
class Graph:
    """What is imported: the captured graph, how each weight is stored, which inputs and cache rows there are."""

    capture: Capture
    weights: Mapping[str, WeightFormat]
    """Parameter's dotted name → format; two names of one tensor (a tied head) share the format object's stored name."""
    stored_names: Mapping[str, str]
    """Parameter's dotted name → name of its stored tensor (itself, unless it is tied to another)."""
    kv_capacity: int
    """Rows of each layer's key/value cache."""


def kv_layout(capture: Capture, capacity: int) -> Layout:
    """The caches of a graph's attention layers: `<layer>.k` and `<layer>.v`, float16 [heads, capacity, width]."""
    specs: dict[str, TensorSpec] = {}
    for node in capture.graph_module.graph.nodes:
        if node.target is torch.ops.tytvm.attention.default:
            for which, argument in (("k", 1), ("v", 2)):
                _, heads, _, width = node.args[argument].meta["val"].shape
                specs[f"{node.args[3]}.{which}"] = TensorSpec((heads, capacity, width), "float16")
    return lay_out(specs)
