"""Experts as one operator, registered with Hugging Face's experts interface: mixtures of experts are captured.

The router stays the model's own code; what the operator stands for is in `tytvm.ops.experts`.
"""

from __future__ import annotations

from functools import cache
from itertools import product
from typing import TYPE_CHECKING, NamedTuple

import torch

from hf_checkpoint.expert_stack import BIAS
from hf_checkpoint.experts import DOWN, GATE_UP, expert_modules, form_of, normalize_experts
from tyllm_base.errors import UnsupportedError
from tytvm.weights import LANES

if TYPE_CHECKING:
    from transformers import PreTrainedModel

IMPLEMENTATION = "tytvm"
"""Name under which the operator is registered, for `config._experts_implementation`."""
HAS_GATE = "has_gate"
"""Attribute that transformers gives to experts which it lets others compute."""
GATE = "gate_of_operator"
"""Attribute of a module of experts: its `Gate`."""


class Gate(NamedTuple):
    """What lies between an expert's two layers, as `tytvm.ops.gate` has it."""

    activation: str
    limit: float
    offset: float


def experts(
    module: torch.nn.Module, hidden_states: torch.Tensor, top_k_index: torch.Tensor, top_k_weights: torch.Tensor
) -> torch.Tensor:
    """Hugging Face's experts function: hidden states [T,H], experts and their weights [T,K] → [T,H]."""
    stacks = getattr(module, GATE_UP), getattr(module, DOWN)
    biases = (getattr(module, part + BIAS, None) for part in (GATE_UP, DOWN))
    gate = getattr(module, GATE)
    return torch.ops.tytvm.experts(hidden_states, top_k_index, top_k_weights, *stacks, *gate, *biases)


def use_operator(model: PreTrainedModel) -> None:
    """Let the model's experts be the operator, where it has some; their parameters get the operator's shapes.

    Raises:
        UnsupportedError: its experts are other than the operator's.
    """
    found = expert_modules(model)
    offered = {name: module for name, module in model.named_modules() if hasattr(module, HAS_GATE)}
    for name, module in (offered | found).items():
        if reason := _refusal(module):
            raise UnsupportedError(
                f"{name} ({type(module).__name__}) has {reason}, which cannot be compiled yet; choose another model."
            )
        setattr(module, GATE, recognized_gate(module))
    if found:
        normalize_experts(model)
        _register()
        model.set_experts_implementation(IMPLEMENTATION)


def recognized_gate(module: torch.nn.Module) -> Gate | None:
    """The gate that gives what the module's own code gives, within its limits and beyond; None for others."""
    import tytvm.ops

    limits = {0.0, *(value for value in vars(module).values() if isinstance(value, float) and 0 < value < 1e4)}
    most = 2 * max(1.0, *limits)
    numbers = torch.linspace(-most, most, 42, dtype=torch.float64)
    sides = [side.reshape(-1, 2) for side in torch.meshgrid(numbers, numbers, indexing="ij")]
    gate_up = torch.cat(sides, -1)
    in_turns = form_of(module, GATE_UP).is_interleaved
    found = _own_gate(module, torch.stack(sides, -1).flatten(-2) if in_turns else gate_up)
    for activation, limit, offset in product(tytvm.ops.ACTIVATIONS, sorted(limits), (0.0, 1.0)):
        expected = tytvm.ops.gate(gate_up, activation, limit, offset)
        if found is not None and found.shape == expected.shape and torch.allclose(found, expected, 1e-6, 1e-9):
            return Gate(activation, limit, offset)
    return None


def _own_gate(module: torch.nn.Module, gate_up: torch.Tensor) -> torch.Tensor | None:
    """What the module's own code makes of gate and up; None where it cannot."""
    try:
        result: torch.Tensor = module._apply_gate(gate_up)
    except Exception:  # foreign code that wants what we do not give it
        return None
    return result


def _refusal(module: torch.nn.Module) -> str | None:
    """What experts have that the operator has not; None where there is nothing."""
    if not hasattr(module, HAS_GATE):
        return "experts that transformers does not let others compute"
    if not getattr(module, HAS_GATE) or not hasattr(module, GATE_UP):
        return "experts without a gate"
    if recognized_gate(module) is None:
        return "another gate than SiLU or GELU of one half times the other, cut or not, plus 1 or not"
    sizes = {*getattr(module, GATE_UP).shape[1:], *getattr(module, DOWN).shape[1:]}
    return f"a width that is no multiple of {LANES}" if any(size % LANES for size in sizes) else None


@cache
def _register() -> None:
    """Make the operator known to transformers."""
    from transformers.integrations.moe import ExpertsInterface

    import tytvm.ops  # noqa: F401  (defines torch.ops.tytvm)

    ExpertsInterface.register(IMPLEMENTATION, experts)
