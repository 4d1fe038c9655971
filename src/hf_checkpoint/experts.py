"""Mixtures of experts: the parameters that stack a layer's experts, and the tensors of a checkpoint for them.

transformers keeps the experts of a layer as two parameters, [experts, 2 · width, hidden] for gate and up and [experts,
hidden, width] for down; the hub's checkpoints have a matrix for each linear layer of each expert.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping
from typing import TYPE_CHECKING

import torch
from torch import nn

from hf_checkpoint.expert_stack import ExpertStack
from tyllm_base.errors import UnsupportedError

if TYPE_CHECKING:
    from transformers import PreTrainedModel

GATE_UP, DOWN = "gate_up_proj", "down_proj"
"""Names of the parameters in their module."""


def expert_modules(model: nn.Module) -> dict[str, nn.Module]:
    """The modules that hold a layer's experts, by name."""
    return {name: module for name, module in model.named_modules() if _is_experts(module)}


def expert_parameters(model: nn.Module) -> dict[str, nn.Parameter]:
    """The parameters of `expert_modules` that stack experts, by name."""
    parts = (GATE_UP, DOWN)
    return {f"{name}.{part}": getattr(each, part) for name, each in expert_modules(model).items() for part in parts}


def _is_experts(module: nn.Module) -> bool:
    found = (getattr(module, part, None) for part in (GATE_UP, DOWN))
    return all(isinstance(each, nn.Parameter) and each.ndim == 3 for each in found)


def expert_stacks(
    model: PreTrainedModel, tensors: Container[str], rename: Callable[[str], str]
) -> dict[str, ExpertStack]:
    """How a checkpoint has each parameter of `expert_parameters`.

    Args:
        model: on the meta device.
        tensors: the checkpoint's, under the names of the model.
        rename: what gives them these names.

    Raises:
        UnsupportedError: transformers makes the parameter of the tensors in another way than one behind the other.
    """
    parameters = expert_parameters(model)
    if not parameters:
        return {}
    starts = _starts(model, parameters, rename)
    found = {}
    for name, parameter in parameters.items():
        is_whole = name in tensors
        own = {0: name} if is_whole else dict(sorted(starts[name].items()))
        found[name] = ExpertStack(tuple(parameter.shape), tuple(own.values()), tuple(own), is_whole)
    return found


def _starts(
    model: PreTrainedModel, parameters: Mapping[str, nn.Parameter], rename: Callable[[str], str]
) -> dict[str, dict[int, str]]:
    """For each parameter: first row → name of the tensor that it begins.

    transformers' own conversion back to the hub's tensors is asked, with numbers in the weights' place: in a layer of
    two rows and two columns each row has its number in both.
    """
    from transformers.core_model_loading import revert_weight_conversion

    numbers: dict[str, torch.Tensor] = {}
    owners: list[tuple[str, int]] = []  # of each number: the parameter, and the first of its rows
    for name, parameter in parameters.items():
        experts, outputs, _ = parameter.shape
        rows = 4 if name.endswith(GATE_UP) else 2
        following = torch.arange(len(owners), len(owners) + experts * rows)
        numbers[name] = following.reshape(experts, rows, 1).repeat(1, 1, 2)
        owners += [(name, row) for row in range(0, experts * outputs, outputs // rows)]
    starts: dict[str, dict[int, str]] = {name: {} for name in parameters}
    for stored, values in revert_weight_conversion(model, numbers).items():
        first, *others = values.flatten(0, -2)[:, 0].tolist()
        is_as_it_was = torch.equal(values.flatten(), torch.arange(first, first + len(others) + 1).repeat_interleave(2))
        if not is_as_it_was:
            raise UnsupportedError(
                f"{model.config.model_type} stores its experts transposed or mixed ({stored}), which cannot be read "
                "yet; choose another model."
            )
        name, row = owners[first]
        starts[name][row] = rename(stored)
    return starts
