"""Quantized or plain checkpoints as an ordinary Hugging Face model with float weights, the judge of everything else."""

from __future__ import annotations

from pathlib import Path

import torch
from transformers import GenerationConfig, PreTrainedModel

from awq.stream.expert_weights import read_stacked
from hf_checkpoint.awq_gemm import PER_WORD
from hf_checkpoint.checkpoint import Checkpoint
from hf_checkpoint.model_on_meta import build_on_meta, fill_buffers
from hf_checkpoint.packed_rows import is_packed, packed_shape, read_rows
from hf_checkpoint.quantization_config import refusal
from hf_checkpoint.stored_buffers import stored_buffers
from hf_checkpoint.tied_weights import head_name, untie_head
from hf_checkpoint.weight_names import under_model_names
from tyllm_base.errors import CheckpointError

VALUES = 1 << 22  # weights dequantized at a time


def load_dequantized(
    path: str | Path, dtype: torch.dtype | None = None, trust_remote_code: bool = False
) -> PreTrainedModel:
    """The Hugging Face model of the folder `path`, each quantized weight dequantized, ready to run.

    A quantized head counts too (transformers 5 leaves it at random values). A checkpoint that is not quantized loads
    as it is, so both sides of a comparison come from here.

    Args:
        path: a checkpoint: AWQ with GEMM packing, compressed-tensors `pack-quantized` with 4 or 8 bits, or float.
        dtype: type of the weights, float32 by default.
        trust_remote_code: accept a config that names code of its own.

    Raises:
        CheckpointError: the folder is damaged, or quantized in another way.
        UnsupportedError: codes of other than 4 or 8 bits, or a model that transformers does not know.
    """
    checkpoint = Checkpoint.open(path, trust_remote_code)
    check_readable(checkpoint)
    model = build_on_meta(checkpoint, trust_remote_code)
    checkpoint = under_model_names(checkpoint, model)
    if is_packed(checkpoint, f"{head_name(model)}.weight"):  # even where config.json forgot to say that it is untied
        untie_head(model)
    kind = dtype or torch.float32
    weights = {n: read_stacked(checkpoint, n, kind, read_float) for n in stored_parameters(checkpoint, model)}
    model.load_state_dict(weights, strict=False, assign=True)
    model.tie_weights()
    if (checkpoint.path / "generation_config.json").is_file():
        model.generation_config = GenerationConfig.from_pretrained(checkpoint.path)
    for module in model.modules():
        fill_buffers(model, module, torch.device("cpu"))
    return model.requires_grad_(False)


def check_readable(checkpoint: Checkpoint) -> None:
    """Raise `CheckpointError` unless the checkpoint is a float one or in a format that is read here."""
    if checkpoint.quantization is not None and (reason := refusal(checkpoint.quantization)):
        raise CheckpointError(
            f"{checkpoint.path} is quantized {reason}; "
            "give an AWQ checkpoint with GEMM packing or a compressed-tensors one with pack-quantized weights."
        )


def stored_parameters(checkpoint: Checkpoint, model: PreTrainedModel) -> list[str]:
    """The model's parameters and stored buffers in the checkpoint; raises `CheckpointError` if one is nowhere."""
    names = [*dict(model.named_parameters()), *stored_buffers(model)]  # a tied head is the embedding and is listed once
    known = checkpoint.stacks
    missing = [n for n in names if n not in checkpoint and n not in known and not is_packed(checkpoint, n)]
    if missing:
        raise CheckpointError(f"{checkpoint.path} has no tensor {missing[0]}; download the checkpoint again.")
    return names


def read_float(checkpoint: Checkpoint, name: str, dtype: torch.dtype) -> torch.Tensor:
    """A weight of the checkpoint in its shape and in `dtype`, dequantized if it is packed.

    Raises:
        CheckpointError: its tensors contradict each other, or a scale is NaN or infinite.
        UnsupportedError: it is packed in a way that is not read here.
    """
    if not is_packed(checkpoint, name):
        return checkpoint.read_torch(name).to(dtype, copy=True)
    shape = packed_shape(checkpoint, name)
    result = torch.empty((shape.outputs, shape.inputs), dtype=dtype)
    step = max(1, VALUES // shape.inputs // PER_WORD) * PER_WORD
    for start in range(0, shape.outputs, step):
        result[start : start + step] = torch.from_numpy(read_rows(checkpoint, name, start, start + step).dequantize())
    return result
