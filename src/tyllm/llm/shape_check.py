"""Compares the model that will be compiled with the tensors that the checkpoint has, before any is read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from hf_checkpoint import tensor_check
from hf_checkpoint.checkpoint import Checkpoint
from hf_checkpoint.dtypes import FLOATS_IN_FLOAT32
from tyllm.build.weight_formats import Quantization

if TYPE_CHECKING:
    from transformers import PreTrainedModel


def check_tensors(
    model: PreTrainedModel, checkpoint: Checkpoint, quantization: Quantization, sources: Mapping[str, str]
) -> None:
    """Every parameter has its tensor in the right shape and type, and no tensor is left over.

    Args:
        model: on the meta device.
        checkpoint: its tensors under the names of the model.
        quantization: which of the parameters are packed.
        sources: tied parameter that the checkpoint leaves out → the tensor that stands for it.

    Raises:
        CheckpointError: config.json and the tensors contradict each other.
    """
    shapes = {name: tuple(value.shape) for name, value in model.state_dict().items()}
    ignored = tensor_check.ignored_tensors(model)
    tensor_check.check_tensors(checkpoint, shapes, quantization.packed, sources, FLOATS_IN_FLOAT32, ignored)
