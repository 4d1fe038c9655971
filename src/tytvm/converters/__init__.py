"""Converters: one file per operator that has a kernel of ours; each turns a node of the graph into calls of kernels."""

from __future__ import annotations

from collections.abc import Callable

import torch

from tytvm.converters import (
    activation,
    add,
    attention,
    columns,
    embedding,
    experts,
    filled,
    layer_norm,
    linear,
    rms_norm,
    rope,
    select,
    select_rows,
    swiglu,
    top_k,
    varlen_attention,
)
from tytvm.converters.all_reduce import convert as all_reduce
from tytvm.emitter import Emitter, Value

CONVERTERS: dict[str, Callable[[Emitter, torch.fx.Node], Value]] = {
    "linear.default": linear.convert,
    "embedding.default": embedding.convert,
    "attention.default": attention.convert,
    "all_reduce.default": all_reduce,
    "rms_norm.default": rms_norm.convert,
    "rope.default": rope.convert,
    "segment_attention.default": varlen_attention.convert,
    "experts.default": experts.convert,
    "topk.default": top_k.convert,
    "max.dim": top_k.convert_max,
    "swiglu.default": swiglu.convert,
    "silu.default": activation.convert,
    "gelu.default": activation.convert,
    "quick_gelu.default": activation.convert,
    "masked_fill.Scalar": filled.masked_fill,
    "zeros_like.default": filled.like,
    "ones_like.default": filled.like,
    "select.int": select.convert,
}
"""Operator → what converts a node of it: returns the node's value, of the node's shape."""

PARTIAL: dict[str, Callable[[Emitter, Callable[[torch.fx.Node], Value], torch.fx.Node], Value]] = {
    "add.Tensor": add.convert,
    "gather.default": columns.gather,
    "scatter.value": columns.fill,
    "index.Tensor": select_rows.convert,
    "layer_norm.default": layer_norm.convert,
}
"""Operator → what converts some nodes of it, and falls back on TVM's own converter, its second argument."""
