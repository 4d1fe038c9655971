"""Finds in a decoder layer which linear layers share an input, and where a scale can move from outputs to inputs.

Nothing is known about families. The layer runs once with random weights; linear layers that read the same tensor belong
together. A norm that wrote that tensor, or else a linear layer beside them, is a candidate: its outputs would be
divided by a scale and the inputs of those that read them multiplied, as AWQ does (Lin et al., arXiv 2306.00978, section
3.2); a mixture's router, which is no linear layer to torch, counts as one here. A candidate is taken only if random
scales leave the output of the layer as it was, which also proves that nobody else reads the tensor.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import takewhile
from typing import Any

import torch
from torch import nn

TOLERANCE = 1e-4  # of the output's norm; float32 noise is a hundred times less, a wrong candidate a hundred times more
NORM_OFFSETS = (0.0, 1.0)  # a norm multiplies by its weight, or by 1 + weight as Gemma's


@dataclass(frozen=True)
class ScaleGroup:
    """`before`'s outputs are divided by a scale, the inputs of all `linears` multiplied.

    Attributes:
        before: a norm, or a linear layer whose last outputs are taken.
        offset: what `before` adds to its weight when it is a norm.
        linears: every linear layer that reads those outputs, a router among them.
        inspect: the module at whose output the rounding error is measured; "" is the whole layer.
    """

    before: str
    offset: float
    linears: tuple[str, ...]
    inspect: str


@dataclass(frozen=True)
class LayerStructure:
    """The linear layers of a decoder layer by their names within it.

    Attributes:
        shared_inputs: linear layers by the tensor that they read, in order of use.
        scale_groups: those that can be scaled, in order of use.
        residual: linear layers whose output is added to the layer's output as it is, that is to the residual stream; of
            an expert, by the weight that the router gives it.
    """

    shared_inputs: tuple[tuple[str, ...], ...]
    scale_groups: tuple[ScaleGroup, ...]
    residual: frozenset[str] = frozenset()


def find_structure(layer: nn.Module, run: Callable[[], torch.Tensor]) -> LayerStructure:
    """The structure of `layer`, whose weights become random here; `run` calls it and returns its output [n, T, H]."""
    randomize(layer)
    consumers, norms, reference = _trace(layer, run)
    names = [name for linears in consumers.values() for name in linears]
    groups = []
    for tensor, linears in consumers.items():
        for group in _candidates(layer, linears, norms.get(tensor), names):
            if _keeps_function(layer, group, run, reference):
                groups.append(group)
                break
    residual = (name for name in names if _adds_to_output(layer.get_submodule(name), run, reference))
    return LayerStructure(tuple(map(tuple, consumers.values())), tuple(groups), frozenset(residual))


def randomize(layer: nn.Module) -> None:
    """Fill `layer` with random weights that keep activations near 1, the same each time."""
    generator = torch.Generator().manual_seed(0)
    for parameter in layer.parameters():
        values = torch.randn(parameter.shape, generator=generator)
        values = values / parameter.shape[-1] ** 0.5 if parameter.dim() > 1 else 1 + values / 4
        parameter.data = values.to(parameter.device)


def _trace(
    layer: nn.Module, run: Callable[[], torch.Tensor]
) -> tuple[dict[int, list[str]], dict[int, str], torch.Tensor]:
    """The linear layers that read a tensor and the norm that wrote it, by its address, and the layer's output."""
    consumers: dict[int, list[str]] = {}
    norms: dict[int, str] = {}
    alive: list[torch.Tensor] = []  # an address names a tensor only while the tensor lives

    def watch(name: str) -> Callable[[nn.Module, tuple[Any, ...], Any], None]:
        def hook(module: nn.Module, inputs: tuple[Any, ...], output: Any) -> None:
            if inputs and _multiplies(module, inputs[0]):
                consumers.setdefault(inputs[0].data_ptr(), []).append(name)
                alive.append(inputs[0])
            elif isinstance(output, torch.Tensor) and is_norm(module):
                norms[output.data_ptr()] = name
                alive.append(output)

        return hook

    handles = [module.register_forward_hook(watch(name)) for name, module in layer.named_modules()]
    try:
        return consumers, norms, run()
    finally:
        for handle in handles:
            handle.remove()


def _multiplies(module: nn.Module, x: object) -> bool:
    """Whether `module` itself multiplies `x` by a matrix, as linear layers and routers do."""
    weight = module._parameters.get("weight")
    if weight is None or weight.dim() != 2 or not isinstance(x, torch.Tensor) or not x.is_floating_point():
        return False
    return bool(weight.shape[1] == x.shape[-1])


def is_norm(module: nn.Module) -> bool:
    """Whether `module` itself multiplies by a vector."""
    weight = module._parameters.get("weight")
    return weight is not None and weight.dim() == 1


def _candidates(layer: nn.Module, linears: list[str], norm: str | None, earlier: list[str]) -> Iterator[ScaleGroup]:
    """Groups to try: the outputs of the norm before `linears` are divided, or those of a linear layer beside them."""
    parent = parent_of(linears)
    if norm is not None:
        for offset in NORM_OFFSETS:
            yield ScaleGroup(norm, offset, tuple(linears), parent)
        return
    inputs = layer.get_submodule(linears[0]).weight.shape[1]
    for name in reversed(earlier[: earlier.index(linears[0])]):
        if parent_of([name]) == parent and layer.get_submodule(name).weight.shape[0] >= inputs:
            yield ScaleGroup(name, 0.0, tuple(linears), linears[0] if len(linears) == 1 else parent)


def _adds_to_output(linear: nn.Module, run: Callable[[], torch.Tensor], reference: torch.Tensor) -> bool:
    """Whether what is added to the output of `linear` is added to the layer's."""
    if not isinstance(linear, nn.Linear) or linear.out_features != reference.shape[-1]:
        return False
    more = torch.randn(reference.shape, generator=torch.Generator().manual_seed(3)).to(reference)
    handle = linear.register_forward_hook(lambda _, __, output: output + more.view_as(output))
    try:
        return bool((run() - reference - more).norm() <= TOLERANCE * reference.norm())
    finally:
        handle.remove()


def parent_of(names: list[str]) -> str:
    """The innermost module that contains all of `names`, "" for the layer itself."""
    paths = [name.split(".")[:-1] for name in names]
    return ".".join(steps[0] for steps in takewhile(lambda steps: len(set(steps)) == 1, zip(*paths, strict=False)))


def _keeps_function(
    layer: nn.Module, group: ScaleGroup, run: Callable[[], torch.Tensor], reference: torch.Tensor
) -> bool:
    """Whether scaling `group` at random leaves the layer's output as it was."""
    weight = layer.get_submodule(group.linears[0]).weight
    scale = 0.5 + 1.5 * torch.rand(weight.shape[1], generator=torch.Generator().manual_seed(1)).to(weight.device)
    with restoring(layer):
        if outputs_before(layer, group) < len(scale):
            return False
        apply_scale(layer, group, scale)
        return bool((run() - reference).norm() <= TOLERANCE * reference.norm())


@contextmanager
def restoring(layer: nn.Module) -> Iterator[None]:
    """Give `layer` its parameters back at the end; inside, they may be replaced but not changed in place."""
    saved = [(parameter, parameter.data) for parameter in layer.parameters()]
    try:
        yield
    finally:
        for parameter, data in saved:
            parameter.data = data


def outputs_before(layer: nn.Module, group: ScaleGroup) -> int:
    """The number of outputs that the module before `group` has."""
    return int(layer.get_submodule(group.before).weight.shape[0])


def output_magnitudes(layer: nn.Module, group: ScaleGroup, count: int) -> torch.Tensor:
    """The largest magnitude stored for each of the last `count` outputs of the module before `group`, [count]."""
    stored = [parameter.data[-count:].abs() for parameter in layer.get_submodule(group.before).parameters(False)]
    return torch.stack([values if values.dim() == 1 else values.amax(1) for values in stored]).amax(0)


def apply_scale(layer: nn.Module, group: ScaleGroup, scale: torch.Tensor) -> None:
    """Divide the outputs of `group.before` by `scale` float32 [K] and multiply the inputs of its linears."""
    for name in group.linears:
        linear = layer.get_submodule(name)
        linear.weight.data = linear.weight.data * scale
    for parameter in layer.get_submodule(group.before).parameters(False):
        data = parameter.data.clone()
        last = data[-len(scale) :]
        last.add_(group.offset).div_(scale if data.dim() == 1 else scale[:, None]).sub_(group.offset)
        parameter.data = data
