"""Buffers that a checkpoint stores beside the weights, such as Gemma 4's layer_scalar."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from hf_checkpoint.checkpoint import Checkpoint
from hf_checkpoint.finite_check import check_finite

if TYPE_CHECKING:
    from transformers import PreTrainedModel


def read_buffers(model: PreTrainedModel, checkpoint: Checkpoint) -> None:
    """Give the stored buffers of `model`, which are those in its state, the checkpoint's values, in place.

    Args:
        model: on the meta device; buffers keep the type and device that they have.
        checkpoint: its tensors under the names of the model.

    Raises:
        CheckpointError: a value is NaN or infinite, or there is no such tensor.
    """
    for name in stored_buffers(model):
        owner, _, own = name.rpartition(".")
        module = model.get_submodule(owner)
        value = checkpoint.read_torch(name).to(module.get_buffer(own).dtype, copy=True)
        check_finite(name, np.asarray(value))
        module._buffers[own] = value


def stored_buffers(model: PreTrainedModel) -> list[str]:
    """Names of the buffers that a checkpoint stores."""
    parameters = dict(model.named_parameters(remove_duplicate=False))
    return [name for name in model.state_dict() if name not in parameters]
