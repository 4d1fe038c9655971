"""The structure of a decoder layer with experts, found as if there were one expert, which all tokens choose.

A probe of the whole would go through the router, whose choice jumps, and would see the experts that its tokens chose.
Experts are alike, so what is found for the first holds for all. What the router has weighed stands beside it in the
output: a scale that changes it is not taken.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

import torch
from torch import nn

from awq.method.layer_structure import LayerStructure, ScaleGroup, find_structure, parent_of
from awq.stream.expert_linears import experts_in

Alike = dict[str, list[str]]
"""The linear layers that stand at the same place in each expert, by the name of the first expert's."""


def find_layer_structure(layer: nn.Module, run: Callable[[], torch.Tensor]) -> LayerStructure:
    """`find_structure` of a layer that may have experts; the linear layers of each are in it."""
    with _first_expert_alone(layer):
        structure = find_structure(layer, run)
    alike: Alike = {}
    for name, experts in experts_in(layer).items():
        for part in zip(*experts.linears, strict=True):
            alike[f"{name}.{part[0]}"] = [f"{name}.{each}" for each in part]
    return _with_all_experts(structure, alike) if alike else structure


@contextmanager
def _first_expert_alone(layer: nn.Module) -> Iterator[None]:
    """Inside, all tokens go to the first expert of each `ExpertLinears`."""
    found = list(experts_in(layer).values())
    for experts in found:
        experts.__dict__["forward"] = experts.first_alone
    try:
        yield
    finally:
        for experts in found:
            del experts.__dict__["forward"]


def _with_all_experts(structure: LayerStructure, alike: Alike) -> LayerStructure:
    """The structure with every expert in the place of the first."""
    shared = tuple(names for linears in structure.shared_inputs for names in _apart(linears, alike))
    groups = tuple(group for found in structure.scale_groups for group in _scale_groups(found, alike))
    residual = (each for name in structure.residual for each in alike.get(name, [name]))
    return LayerStructure(shared, groups, frozenset(residual))


def _apart(linears: tuple[str, ...], alike: Alike) -> Iterator[tuple[str, ...]]:
    """The linear layers that read one tensor: of each expert by itself, which has its own tokens, then the others."""
    if own := [alike[name] for name in linears if name in alike]:
        yield from zip(*own, strict=True)
    if others := tuple(name for name in linears if name not in alike):
        yield others


def _scale_groups(group: ScaleGroup, alike: Alike) -> Iterator[ScaleGroup]:
    """A group within the first expert for each of them; one that a norm begins, with all experts in it."""
    if not alike.keys() & set(group.linears):
        yield group
        return
    if group.before in alike:
        parts = [alike[group.before], *(alike[name] for name in group.linears)]
        for before, *linears in zip(*parts, strict=True):
            inspect = linears[0] if len(linears) == 1 else parent_of(linears)
            yield ScaleGroup(before, group.offset, tuple(linears), inspect)
        return
    linears = [each for name in group.linears for each in alike.get(name, [name])]
    yield replace(group, linears=tuple(linears), inspect=parent_of(linears))
