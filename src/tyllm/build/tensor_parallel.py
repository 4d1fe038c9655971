"""The sharding of a model: its own tensor-parallel plan, made into each die's spans of rows and columns of weights.

Attention is cut by key/value head group, the MLP and each expert by quantization group, embedding and head by
vocabulary rows. A weight that the plan does not cut by column or by row (transformers gathers some around a norm over
all heads) is whole on all.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from hf_checkpoint.expert_stack import BIAS
from hf_checkpoint.experts import DOWN, GATE_UP, expert_modules
from tyllm.build.channel_statistics import takes_statistics
from tytvm.axis_spans import Span, split_axis, split_heads
from tytvm.weights import LANES

if TYPE_CHECKING:
    from transformers import PreTrainedModel

OUT, IN = 0, 1
ATTENTION = re.compile(r"(^|\.)\w*att(ention|n)\w*$")
INPUTS = {"q_proj": "query", "k_proj": "key_value", "v_proj": "key_value"}
OUTPUTS = {"o_proj": "query", "dense": "query"}
HEAD_PROJECTIONS = INPUTS | OUTPUTS
"""Linear layers of attention whose axis is a row of heads, by their names' last part; others are cut by groups."""


@dataclass(frozen=True)
class WeightSharding:
    """The sharding of one weight: along `axis` (0 outputs or rows, 1 inputs), each die's span; no axis means whole.

    An axis of several `blocks` of one size (queries, keys and values in one weight) has each of them cut so: a span is
    a part of a block, and a die holds that part of every block, one after the other. A stack of `experts` weights is
    sharded as one with so many times the outputs: [experts, out, in] as [experts · out, in]. Of a term of what the
    dies sum up the first die holds the values, the others zeros.
    """

    axis: int | None
    spans: tuple[Span, ...]
    blocks: int = 1
    experts: int = 0
    is_term: bool = False

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


def shard_model(model: PreTrainedModel, dies: int, group_size: int, unread: Collection[str] = ()) -> ModelSharding:
    """The sharding of a model (on the meta device) over `dies`; `group_size` is the unit of the MLP's axis.

    Parameters `unread` by a step stay whole, whatever the plan says.

    Raises:
        SettingError: there are fewer heads, groups or vocabulary rows than dies.
    """
    vocabulary = tuple(split_axis(model.get_output_embeddings().weight.shape[0], LANES, dies, "the vocabulary"))
    if dies == 1:
        return ModelSharding(dies, {}, vocabulary)
    cuts: dict[str, WeightSharding] = {}
    whole = _whole_modules(model)
    for name, module in model.named_modules():
        axis = _planned_axis(model, name) if isinstance(module, torch.nn.Linear) else None
        if axis is None or f"{name}.weight" in unread or name.rpartition(".")[0] in whole:
            continue
        spans = _head_spans(model, name, dies) or group_spans(name, module, axis, dies, group_size)
        cuts[f"{name}.weight"] = WeightSharding(axis, spans)
        if module.bias is not None and axis == OUT:
            cuts[f"{name}.bias"] = WeightSharding(OUT, spans)
    for name, _ in model.named_parameters():
        attention, _, leaf = name.rpartition(".")
        if leaf == "sinks" and _planned_axis(model, name) == OUT:  # a logit per query head
            cuts[name] = WeightSharding(OUT, tuple(split_heads(*_head_counts(model, attention), dies).query))
    for name, module in expert_modules(model).items():
        cuts |= _expert_cuts(name, module, dies, group_size)
    head = model.get_output_embeddings()
    bias = getattr(head, "bias", None)
    ends = {id(each) for each in (model.get_input_embeddings().weight, head.weight, bias) if each is not None}
    for name, parameter in model.named_parameters(remove_duplicate=False):  # a tied weight has both names
        if id(parameter) in ends:
            cuts[name] = WeightSharding(OUT, vocabulary)
    return ModelSharding(dies, cuts, vocabulary)


def _whole_modules(model: PreTrainedModel) -> set[str]:
    """Names of the modules whose linear layers are planned to be cut along channels of which they take statistics."""
    found = set()
    for name, module in model.named_modules():
        parent = name.rpartition(".")[0]
        if isinstance(module, torch.nn.Linear) and not ATTENTION.search(parent) and _style(model, name) == OUT:
            sizes = module.in_features, module.out_features
            if parent not in found and takes_statistics(model.get_submodule(parent), *sizes):
                found.add(parent)
    return found


def _expert_cuts(name: str, module: torch.nn.Module, dies: int, group_size: int) -> dict[str, WeightSharding]:
    """Every expert is cut as an MLP is: some channels of its gate and up, and the same inputs of down."""
    experts, _, width = getattr(module, DOWN).shape
    spans = _group_spans(f"{name}.{DOWN}", width, dies, group_size)
    cuts = {
        GATE_UP: WeightSharding(OUT, spans, 2 * experts, experts),
        DOWN: WeightSharding(IN, spans, 1, experts),
        GATE_UP + BIAS: WeightSharding(OUT, spans, 2 * experts),
        DOWN + BIAS: WeightSharding(None, (), is_term=True),
    }
    return {f"{name}.{part}": cuts[part] for part in cuts if hasattr(module, part)}


def _planned_axis(model: PreTrainedModel, name: str) -> int | None:
    """The axis that the model's plan cuts a linear layer along; none for attention whose heads we cannot tell apart."""
    parent = name.rpartition(".")[0]
    if ATTENTION.search(parent) and not _knows_heads(model, parent):
        return None
    return _style(model, name)


def _knows_heads(model: PreTrainedModel, attention: str) -> bool:
    """Whether all layers of an attention that the plan cuts are rows of heads, its output's inputs among them."""
    children = model.get_submodule(attention).named_children()
    cut = {leaf for leaf, _ in children if _style(model, f"{attention}.{leaf}") is not None}
    return cut <= HEAD_PROJECTIONS.keys() and bool(cut & OUTPUTS.keys())


def _style(model: PreTrainedModel, name: str) -> int | None:
    """The axis that the model's plan names for a linear layer."""
    for pattern, style in (getattr(model, "_tp_plan", None) or {}).items():
        if re.search(rf"(^|\.){re.escape(pattern).replace(re.escape('*'), '[0-9]+')}$", name):
            return {"colwise": OUT, "rowwise": IN}.get(style)
    return None


def _head_spans(model: PreTrainedModel, name: str, dies: int) -> tuple[Span, ...] | None:
    """Spans of a projection to or from heads, by whole heads; None for any other linear layer."""
    parent, _, leaf = name.rpartition(".")
    kind = HEAD_PROJECTIONS.get(leaf)
    if kind is None or not ATTENTION.search(parent):
        return None
    linear, (query, key_value) = model.get_submodule(name), _head_counts(model, parent)
    heads = split_heads(query, key_value, dies)
    owned, count = (heads.query, query) if kind == "query" else (heads.key_value, key_value)
    width = (linear.in_features if leaf in OUTPUTS else linear.out_features) // count
    return tuple((start * width, stop * width) for start, stop in owned)


def _head_counts(model: PreTrainedModel, attention: str) -> tuple[int, int]:
    """Query and key/value heads of an attention, of which a model may have several kinds."""
    module, text = model.get_submodule(attention), model.config.get_text_config()
    width = getattr(module, "head_dim", None) or getattr(text, "head_dim", None)
    width = width or text.hidden_size // text.num_attention_heads
    layers = dict(module.named_children())
    query = next(layers[leaf].in_features for leaf in OUTPUTS if leaf in layers) // width
    key_value = getattr(text, "num_key_value_heads", None) or query
    return query, layers["k_proj"].out_features // width if "k_proj" in layers else key_value


def group_spans(name: str, module: torch.nn.Linear, axis: int, dies: int, group_size: int) -> tuple[Span, ...]:
    """Spans by whole groups, smaller ones where there are too few for the dies."""
    return _group_spans(name, module.out_features if axis == OUT else module.in_features, dies, group_size)


def _group_spans(name: str, size: int, dies: int, group_size: int) -> tuple[Span, ...]:
    units = [unit for unit in (group_size, 64, 32) if 0 < unit <= size // dies]
    return tuple(split_axis(size, next(iter(units), LANES), dies, f"{name} of {size}"))
