"""The weights of experts, which transformers keeps in one parameter and a checkpoint in a tensor for each."""

from __future__ import annotations

from collections.abc import Callable

import torch

from hf_checkpoint.checkpoint import Checkpoint

Reader = Callable[[Checkpoint, str, torch.dtype], torch.Tensor]


def read_stacked(checkpoint: Checkpoint, name: str, dtype: torch.dtype, read: Reader) -> torch.Tensor:
    """A parameter in its own shape: as `read` reads it or, if it stacks experts, the tensors that have its rows."""
    if name not in checkpoint.stacks:
        return read(checkpoint, name, dtype)
    stack = checkpoint.stacks[name]
    result = torch.empty((stack.rows, stack.shape[2]), dtype=dtype)
    for part, start in zip(stack.names, stack.starts, strict=True):
        rows = read(checkpoint, part, dtype).flatten(0, -2)
        result[start : start + len(rows)] = rows
    return result.reshape(stack.shape)
