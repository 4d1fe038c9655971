"""Experts as one operator, registered with Hugging Face's experts interface: mixtures of experts are captured.

The router stays the model's own code; what the operator stands for is in `tytvm.ops.experts`.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import torch

from hf_checkpoint.experts import DOWN, GATE_UP, expert_modules
from tyllm_base.errors import UnsupportedError
from tytvm.weights import LANES

if TYPE_CHECKING:
    from transformers import PreTrainedModel

IMPLEMENTATION = "tytvm"
"""Name under which the operator is registered, for `config._experts_implementation`."""
ACTIVATIONS = {
    "SiLUActivation": "silu",
    "SiLU": "silu",
    "silu": "silu",
    "QuickGELUActivation": "quick_gelu",
    "GELUActivation": "gelu",
    "GELUTanh": "gelu_tanh",
    "NewGELUActivation": "gelu_tanh",
}
"""Activations by the names of their classes, or functions → names of the operator's."""


def experts(
    module: torch.nn.Module, hidden_states: torch.Tensor, top_k_index: torch.Tensor, top_k_weights: torch.Tensor
) -> torch.Tensor:
    """Hugging Face's experts function: hidden states [T,H], experts and their weights [T,K] → [T,H]."""
    stacks = getattr(module, GATE_UP), getattr(module, DOWN)
    activation = ACTIVATIONS[_name(module.act_fn)]
    return torch.ops.tytvm.experts(hidden_states, top_k_index, top_k_weights, *stacks, activation)


def use_operator(model: PreTrainedModel) -> None:
    """Let the model's experts be the operator, where it has some.

    Raises:
        UnsupportedError: its experts are other than the operator's.
    """
    found = expert_modules(model)
    for name, module in found.items():
        if reason := _refusal(module):
            raise UnsupportedError(
                f"{name} ({type(module).__name__}) has {reason}, which cannot be compiled yet; choose another model."
            )
    if found:
        _register()
        model.set_experts_implementation(IMPLEMENTATION)


def _name(activation: object) -> str:
    """The name of an activation, which is a module or a function."""
    return str(getattr(activation, "__name__", type(activation).__name__))


def _refusal(module: torch.nn.Module) -> str | None:
    """What experts have that the operator has not; None where there is nothing."""
    from transformers.integrations import moe

    sizes = {*getattr(module, GATE_UP).shape[1:], *getattr(module, DOWN).shape[1:]}
    refused = {
        "experts that transformers does not let others compute": not hasattr(module, "has_gate"),
        "experts without a gate": not getattr(module, "has_gate", True),
        "experts with biases": getattr(module, "has_bias", False),
        "transposed experts": getattr(module, "is_transposed", False),
        "gates between the ups": not getattr(module, "is_concatenated", True),
        "a gate of its own": getattr(type(module), "_apply_gate", None) is not moe._default_apply_gate,
        "another activation than SiLU or GELU": _name(getattr(module, "act_fn", None)) not in ACTIVATIONS,
        f"a width that is no multiple of {LANES}": any(size % LANES for size in sizes),
    }
    return next((reason for reason, is_so in refused.items() if is_so), None)


@cache
def _register() -> None:
    """Make the operator known to transformers."""
    from transformers.integrations.moe import ExpertsInterface

    import tytvm.ops  # noqa: F401  (defines torch.ops.tytvm)

    ExpertsInterface.register(IMPLEMENTATION, experts)
