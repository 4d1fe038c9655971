"""The sharding of a model: its own tensor-parallel plan, made into each die's spans of rows and columns of weights.

Attention is cut by key/value head group, the MLP by quantization group, embedding and head by vocabulary rows. A weight
that the plan does not cut by column or by row (transformers gathers some around a norm over all heads) is whole on all.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from tytvm.axis_spans import Span, split_axis, split_heads
from tytvm.weights import LANES

if TYPE_CHECKING:
    from transformers import PreTrainedModel

OUT, IN = 0, 1
ATTENTION = re.compile(r"(^|\.)\w*att(ention|n)\w*$")
HEAD_PROJECTIONS = {"q_proj": "query", "k_proj": "key_value", "v_proj": "key_value", "o_proj": "query"}
"""Linear layers whose axis is a row of heads, by the last part of their names; all others are cut by groups."""


@dataclass(frozen=True)
class WeightSharding:
    """The sharding of one weight: along `axis` (0 outputs or rows, 1 inputs), each die's span; no axis means whole.

    An axis of several `blocks` of one size (queries, keys and values in one weight) has each of them cut so: a span is
    a part of a block, and a die holds that part of every block, one after the other.
    """

    axis: int | None
    spans: tuple[Span, ...]
    blocks: int = 1

    def size(self, die: int) -> int:
        """How much of the axis a die holds."""
        start, stop = self.spans[die]
        return self.blocks * (stop - start)

    @property
    def block(self) -> int:
        """The size of a block: of the whole axis, where there is one."""
        return max(stop for _, stop in self.spans)


@dataclass(frozen=True)
class ModelSharding:
    """The sharding of every parameter by its dotted name, and each die's rows of the vocabulary."""

    dies: int
    cuts: Mapping[str, WeightSharding]
    vocabulary: tuple[Span, ...]

    def of(self, name: str) -> WeightSharding:
        """The sharding of a parameter; whole where nothing shards it."""
        return self.cuts.get(name, WeightSharding(None, ()))

    def sharded_along(self, axis: int) -> set[str]:
        """Names of the parameters that are sharded along an axis."""
        return {name for name, own in self.cuts.items() if own.axis == axis}


def shard_model(model: PreTrainedModel, dies: int, group_size: int) -> ModelSharding:
    """The sharding of a model (on the meta device) over `dies`; `group_size` is the unit of the MLP's axis.

    Raises:
        SettingError: there are fewer heads, groups or vocabulary rows than dies.
    """
    vocabulary = tuple(split_axis(model.get_output_embeddings().weight.shape[0], LANES, dies, "the vocabulary"))
    if dies == 1:
        return ModelSharding(dies, {}, vocabulary)
    cuts: dict[str, WeightSharding] = {}
    for name, module in model.named_modules():
        axis = _planned_axis(model, name) if isinstance(module, torch.nn.Linear) else None
        if axis is None:
            continue
        spans = _head_spans(model, name, dies) or group_spans(name, module, axis, dies, group_size)
        cuts[f"{name}.weight"] = WeightSharding(axis, spans)
        if module.bias is not None and axis == OUT:
            cuts[f"{name}.bias"] = WeightSharding(OUT, spans)
    ends = {id(part.weight) for part in (model.get_input_embeddings(), model.get_output_embeddings())}
    for name, parameter in model.named_parameters(remove_duplicate=False):  # a tied weight has both names
        if id(parameter) in ends or name == _head_bias(model):
            cuts[name] = WeightSharding(OUT, vocabulary)
    return ModelSharding(dies, cuts, vocabulary)


def _head_bias(model: PreTrainedModel) -> str | None:
    """Name of the head's bias, for the heads that have one."""
    head = model.get_output_embeddings()
    return next((f"{name}.bias" for name, module in model.named_modules() if module is head), None)


def _planned_axis(model: PreTrainedModel, name: str) -> int | None:
    """The axis that the model's plan cuts a linear layer along; none for attention whose heads we cannot tell apart."""
    parent, _, leaf = name.rpartition(".")
    if ATTENTION.search(parent) and leaf not in HEAD_PROJECTIONS:
        return None
    for pattern, style in (getattr(model, "_tp_plan", None) or {}).items():
        if re.search(rf"(^|\.){re.escape(pattern).replace(re.escape('*'), '[0-9]+')}$", name):
            return {"colwise": OUT, "rowwise": IN}.get(style)
    return None


def _head_spans(model: PreTrainedModel, name: str, dies: int) -> tuple[Span, ...] | None:
    """Spans of a projection to or from heads, by whole heads; None for any other linear layer."""
    kind = HEAD_PROJECTIONS.get(name.rpartition(".")[2])
    if kind is None:
        return None
    text = model.config.get_text_config()
    count = text.num_attention_heads
    heads = split_heads(count, getattr(text, "num_key_value_heads", None) or count, dies)
    width = getattr(text, "head_dim", None) or text.hidden_size // count
    owned = heads.query if kind == "query" else heads.key_value
    return tuple((start * width, stop * width) for start, stop in owned)


def group_spans(name: str, module: torch.nn.Linear, axis: int, dies: int, group_size: int) -> tuple[Span, ...]:
    """Spans by whole groups, smaller ones where there are too few for the dies."""
    size = module.out_features if axis == OUT else module.in_features
    units = [unit for unit in (group_size, 64, 32) if 0 < unit <= size // dies]
    return tuple(split_axis(size, next(iter(units), LANES), dies, f"{name} of {size}"))
