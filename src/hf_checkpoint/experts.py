"""Mixtures of experts: the parameters that stack a layer's experts, and the tensors of a checkpoint for them.

transformers keeps the experts of a layer as two parameters, [experts, 2 · width, hidden] for gate and up and [experts,
hidden, width] for down; gpt-oss has them transposed, gate and up in turns, and with biases. The hub's checkpoints have
a matrix for each linear layer of each expert, or one tensor for all experts.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import pairwise
from typing import TYPE_CHECKING

import torch
from torch import nn

from hf_checkpoint import mxfp4
from hf_checkpoint.expert_stack import BIAS, ExpertForm, ExpertRows, ExpertStack, Storage
from tyllm_base.errors import UnsupportedError

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from hf_checkpoint.safetensors_file import TensorInfo

GATE_UP, DOWN = "gate_up_proj", "down_proj"
"""Names of the parameters in their module."""
LINEARS = {GATE_UP: ("gate_proj", "up_proj"), DOWN: ("down_proj",)}
"""Names of an expert's linear layers where transformers knows none: as most families have them."""
_NORMAL = "experts_are_normal"


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


def form_of(module: nn.Module, part: str) -> ExpertForm:
    """How a module of `expert_modules` wants a parameter of its own."""
    is_interleaved = part.startswith(GATE_UP) and not getattr(module, "is_concatenated", True)
    return ExpertForm(bool(getattr(module, "is_transposed", False)) and not part.endswith(BIAS), is_interleaved)


def normalize_experts(model: nn.Module) -> None:
    """Give parameters on the meta device the shapes of [experts, N, K], biases of [experts · N], whatever the code has.

    What the checkpoint has is read as these, by the `ExpertStack` of the parameter.
    """
    for module in expert_modules(model).values():
        for part in parts_of(module):
            shape = _shape(module, part)
            own = shape if len(shape) == 3 else (shape[0] * shape[1],)
            setattr(module, part, nn.Parameter(torch.empty(own, device="meta"), requires_grad=False))
        setattr(module, _NORMAL, True)


def parts_of(module: nn.Module) -> list[str]:
    """The names of the parameters of experts."""
    own = (GATE_UP, DOWN, GATE_UP + BIAS, DOWN + BIAS)
    return [part for part in own if isinstance(getattr(module, part, None), nn.Parameter)]


def _shape(module: nn.Module, part: str) -> tuple[int, ...]:
    """Experts, N and, unless it is a bias, K of a parameter."""
    experts, *matrix = getattr(module, part).shape
    if part.endswith(BIAS):
        return (experts, *matrix) if matrix else _shape(module, part.removesuffix(BIAS))[:2]
    is_swapped = form_of(module, part).is_transposed and not getattr(module, _NORMAL, False)
    return (experts, *(reversed(matrix) if is_swapped else matrix))


def expert_stacks(
    model: PreTrainedModel, tensors: Mapping[str, TensorInfo], rename: Callable[[str], str]
) -> dict[str, ExpertStack]:
    """How a checkpoint has each parameter of experts.

    Args:
        model: on the meta device.
        tensors: the checkpoint's, under the names of the model.
        rename: what gives them these names.

    Raises:
        UnsupportedError: transformers makes the parameter of the tensors in another way than one behind the other.
    """
    found, separate = {}, {}
    for module_name, module in expert_modules(model).items():
        for part in parts_of(module):
            name, shape, own = f"{module_name}.{part}", _shape(module, part), form_of(module, part)
            both = (name + mxfp4.BLOCKS, name + mxfp4.SCALES)
            if name in tensors:
                form = own if own.is_transposed else ExpertForm(_is_swapped(tensors[name], shape), own.is_interleaved)
                found[name] = ExpertStack(shape, (name,), (0,), Storage.WHOLE, form, own)
            elif both[0] in tensors:
                form = ExpertForm(is_interleaved=own.is_interleaved)
                found[name] = ExpertStack(shape, both, (0, 0), Storage.MXFP4, form, own)
            elif any(each.startswith(f"{module_name}.0.{LINEARS[GATE_UP][0]}.") for each in tensors):
                found[name] = _by_linears(module_name, part, shape, own)
            else:
                separate[name] = shape, own
    starts = _starts(model, tensors, {name: shape for name, (shape, _) in separate.items()}, rename)
    for name, (shape, own) in separate.items():
        rows = dict(sorted(starts[name].items()))
        is_whole = [*rows.values()] == [name]  # and the tensor is missing
        storage = Storage.WHOLE if is_whole else Storage.SEPARATE
        found[name] = ExpertStack(shape, tuple(rows.values()), tuple(rows), storage, ExpertForm(), own)
    return found


def rows_apart(module: str, part: str, stack: ExpertStack) -> dict[str, ExpertRows | None]:
    """The weights or biases of a stack's linear layers in order: their tensors, or rows by the names of `LINEARS`."""
    if stack.storage is Storage.SEPARATE:
        return dict.fromkeys(stack.names)
    apart = _by_linears(module, part, stack.shape, stack.own)
    edges = [*apart.starts, apart.rows]
    return {name: ExpertRows(stack, *span) for name, span in zip(apart.names, pairwise(edges), strict=True)}


def _is_swapped(stored: TensorInfo, shape: tuple[int, ...]) -> bool:
    """Whether a tensor has a stack as [experts, K, N]: transformers transposes what has another shape than its own."""
    return len(shape) == 3 and tuple(stored.shape) == (shape[0], shape[2], shape[1]) != shape


def _by_linears(module: str, part: str, shape: tuple[int, ...], own: ExpertForm) -> ExpertStack:
    """A stack whose linear layers have tensors of their own, by the names of `LINEARS`."""
    weight = part.removesuffix(BIAS)
    kind = "bias" if part.endswith(BIAS) else "weight"
    names = [f"{module}.{expert}.{linear}.{kind}" for expert in range(shape[0]) for linear in LINEARS[weight]]
    starts = range(0, shape[0] * shape[1], shape[1] // len(LINEARS[weight]))
    return ExpertStack(shape, tuple(names), tuple(starts), own=own)


def _starts(
    model: PreTrainedModel,
    tensors: Mapping[str, TensorInfo],
    parameters: Mapping[str, tuple[int, ...]],
    rename: Callable[[str], str],
) -> dict[str, dict[int, str]]:
    """For each parameter, by its shape: first row → name of the tensor that it begins.

    transformers' own conversion back to the hub's tensors is asked, with numbers in the weights' place: in a layer of
    two rows and two columns each row has its number in both.
    """
    from transformers.core_model_loading import revert_weight_conversion

    numbers: dict[str, torch.Tensor] = {}
    owners: list[tuple[str, int]] = []  # of each number: the parameter, and the first of its rows
    for name, (experts, outputs, *_) in parameters.items():
        rows = 4 if GATE_UP in name.rpartition(".")[2] else 2
        following = torch.arange(len(owners), len(owners) + experts * rows)
        numbers[name] = following.reshape(experts, rows, 1).repeat(1, 1, 2)
        owners += [(name, row) for row in range(0, experts * outputs, outputs // rows)]
    starts: dict[str, dict[int, str]] = {name: {} for name in parameters}
    for stored, values in revert_weight_conversion(model, numbers).items() if numbers else ():
        first, *others = values.flatten(0, -2)[:, 0].tolist()
        is_as_it_was = torch.equal(values.flatten(), torch.arange(first, first + len(others) + 1).repeat_interleave(2))
        if not is_as_it_was and rename(stored) in tensors:
            raise UnsupportedError(
                f"{model.config.model_type} stores its experts mixed ({stored}), which cannot be read yet; "
                "choose another model."
            )
        name, row = owners[first]
        starts[name][row] = rename(stored)
    return starts
