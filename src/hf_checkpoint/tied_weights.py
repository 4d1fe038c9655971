"""Weights of a model that are one tensor under several names, above all a head that is the embedding."""

from __future__ import annotations

from collections.abc import Container
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from transformers import PreTrainedModel


def is_head_tied(model: PreTrainedModel) -> bool:
    """Whether the weight of the model's head is the embedding's."""
    return model.get_output_embeddings().weight is model.get_input_embeddings().weight


def head_name(model: PreTrainedModel) -> str | None:
    """Name of the linear layer that is the model's output projection, such as "lm_head"; None where there is none."""
    head = model.get_output_embeddings()
    found = (name for name, module in model.named_modules() if module is head and isinstance(module, torch.nn.Linear))
    return next(found, None)


def untie_head(model: PreTrainedModel) -> None:
    """Give a head that is the embedding a weight of its own, without values, and say so in the model's config."""
    if is_head_tied(model):
        head = model.get_output_embeddings()
        head.weight = torch.nn.Parameter(torch.empty_like(head.weight), requires_grad=False)
        model.config.tie_word_embeddings = False


def first_names(model: PreTrainedModel) -> dict[str, str]:
    """Each parameter's name → the first name of the same tensor, in the order of `named_parameters`."""
    first: dict[int, str] = {}
    return {name: first.setdefault(id(p), name) for name, p in model.named_parameters(remove_duplicate=False)}


def stored_names_of_tied(model: PreTrainedModel, checkpoint: Container[str]) -> dict[str, str]:
    """Each tied parameter that the checkpoint leaves out → the tensor that stands for it."""
    groups: dict[str, list[str]] = {}
    for name, first in first_names(model).items():
        groups.setdefault(first, []).append(name)
    found: dict[str, str] = {}
    for names in groups.values():
        there = [name for name in names if name in checkpoint]
        found |= {name: there[0] for name in names if there and name not in checkpoint}
    return found
