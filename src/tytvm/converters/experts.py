"""A mixture of experts: rows grouped by expert, two linear layers around a gate, and the weighted sum."""

from __future__ import annotations

import torch
from tvm import relax

from tyllm_base.errors import UnsupportedError
from tytvm.emitter import Emitter, Value
from tytvm.kernels.operands.expert_groups import ExpertGroups
from tytvm.kernels.operators import CombineExperts, ExpertLinear, GatedRows, GroupByExpert
from tytvm.rewrites.pattern import complete
from tytvm.weights import LANES, W4, W16, TensorSpec


def convert(emitter: Emitter, node: torch.fx.Node) -> Value:
    """(x [T,H], chosen [T,K], weight [T,K], gate_up [E,2I,H], down [E,H,I], its gate, biases) → [T,H].

    Raises:
        UnsupportedError: a weight is computed, or an expert's width is no multiple of sixteen.
    """
    x, chosen, weight, gate_up, down, function, limit, offset, *biases = complete(node.target, node.args, node.kwargs)
    gate_up_bias, down_bias = biases
    tokens, choices = chosen.meta["val"].shape
    groups = ExpertGroups(tokens, choices, gate_up.meta["val"].shape[0])
    numbers = emitter.reshape(emitter.env[chosen], (groups.tokens, groups.chosen))
    choice = emitter.kernels.choose(GroupByExpert(groups))
    made = [TensorSpec(*tensor) for tensor in groups.tensors().values()]
    expert, bounds, source, place, used = emitter.call(choice, [numbers], *made)

    widen = ExpertLinear(groups, _expert_format(emitter, gate_up), True, gate_up_bias is not None)
    narrow = ExpertLinear(groups, _expert_format(emitter, down), False, down_bias is not None)
    both = _linear(emitter, widen, [expert, bounds, source], emitter.env[x], gate_up, gate_up_bias)
    encoding = emitter.kernels.choose(narrow).specialization.inputs
    rows = (groups.rows, narrow.weight.in_features)
    choice = emitter.kernels.choose(GatedRows(*rows, function, encoding, limit, offset))
    (gated,) = emitter.call_encoded(choice, [both], [], encoding, rows, count=used)
    outputs = _linear(emitter, narrow, [expert, bounds], gated, down, down_bias)

    choice = emitter.kernels.choose(CombineExperts(groups, narrow.weight.out_features))
    total = TensorSpec((groups.tokens, narrow.weight.out_features), "float32")
    return emitter.call(choice, [outputs, place, emitter.env[weight]], total)


def _linear(
    emitter: Emitter,
    layer: ExpertLinear,
    groups: list[relax.Var],
    x: Value,
    weight: torch.fx.Node,
    bias: torch.fx.Node | None,
) -> relax.Var:
    """The rows times the weights of their experts, and their biases."""
    choice = emitter.kernels.choose(layer)
    arguments = [*groups, *emitter.encode(x, choice.specialization.inputs), *emitter.stored_tensors(weight)]
    arguments += [] if bias is None else [emitter.env[bias]]
    return emitter.call(choice, arguments, TensorSpec((layer.groups.rows, layer.weight.out_features), "float32"))


def _expert_format(emitter: Emitter, weight: torch.fx.Node) -> W4 | W16:
    """How the weight of one expert is stored."""
    stack = emitter.format_of(weight) if weight in emitter.weight_names else None
    experts, outputs, inputs = weight.meta["val"].shape
    if not isinstance(stack, W16 | W4) or stack.out_features != experts * outputs or outputs % LANES:
        raise UnsupportedError(
            f"The experts of {weight} have {outputs} outputs each, which cannot be compiled; "
            f"only stored weights with a multiple of {LANES} can."
        )
    return W4(outputs, inputs, stack.group_size) if isinstance(stack, W4) else W16(outputs, inputs)
