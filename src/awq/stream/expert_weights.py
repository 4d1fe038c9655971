"""The weights of experts, which transformers keeps in one parameter and a checkpoint in a tensor for each."""

from __future__ import annotations

from collections.abc import Callable

import torch

from hf_checkpoint.checkpoint import Checkpoint
from hf_checkpoint.expert_rows import read_expert_rows
from hf_checkpoint.expert_stack import ExpertForm, ExpertStack, Storage

Reader = Callable[[Checkpoint, str, torch.dtype], torch.Tensor]


def read_stacked(checkpoint: Checkpoint, name: str, dtype: torch.dtype, read: Reader) -> torch.Tensor:
    """A parameter in its own shape: as `read` reads it, made of the tensors of its rows, or some rows of a tensor."""
    if name in checkpoint.rows:
        return torch.from_numpy(read_expert_rows(checkpoint, *checkpoint.rows[name])).to(dtype)
    if name not in checkpoint.stacks:
        return read(checkpoint, name, dtype)
    stack = checkpoint.stacks[name]
    if stack.storage is Storage.WHOLE and stack.form == stack.own:
        return read(checkpoint, name, dtype)
    experts, outputs, *inputs = stack.shape
    result = torch.empty((experts, *inputs, outputs) if stack.own.is_transposed else stack.shape, dtype=dtype)
    for expert in range(experts):
        rows = _rows(checkpoint, stack, expert * outputs, (expert + 1) * outputs, dtype, read)
        result[expert] = _in_form(rows, stack.own)
    return result


def _rows(
    checkpoint: Checkpoint, stack: ExpertStack, start: int, stop: int, dtype: torch.dtype, read: Reader
) -> torch.Tensor:
    """Rows [start, stop) of a stack, those of one expert."""
    if stack.storage is Storage.SEPARATE:
        return torch.cat([read(checkpoint, name, dtype) for name, *_ in stack.parts(start, stop)])
    return torch.from_numpy(read_expert_rows(checkpoint, stack, start, stop)).to(dtype)


def _in_form(expert: torch.Tensor, form: ExpertForm) -> torch.Tensor:
    """The rows of an expert [N, K], or its biases [N], as a model's code wants them."""
    if form.is_interleaved:
        expert = expert.unflatten(0, (2, -1)).transpose(0, 1).flatten(0, 1)
    return expert.T if form.is_transposed else expert
