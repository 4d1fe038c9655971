"""Quantised or plain checkpoints as an ordinary Hugging Face model with float weights, the judge of everything else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from awq.checkpoint import Checkpoint
from awq.errors import CheckpointError
from awq.names import under_model_names
from awq.packing import PackedLinear, dequantize
from awq.skeleton import build_on_meta, fill_buffers


def load_dequantized(path: str | Path, dtype: torch.dtype | None = None, trust_remote_code: bool = False) -> Any:
    """The Hugging Face model of the folder `path`, each quantised weight multiplied out, ready to run.

    A quantised head counts too (transformers 5 leaves it at random values). A checkpoint that is not quantised loads
    as it is, so both sides of a comparison come from here.

    Args:
        path: an AWQ checkpoint with GEMM packing, or a float one.
        dtype: type of the weights, float32 by default.
        trust_remote_code: accept a config that names code of its own.

    Raises:
        CheckpointError: the folder is damaged, or quantised in another way.
    """
    checkpoint = Checkpoint.open(path, trust_remote_code)
    check_awq(checkpoint)
    model = build_on_meta(checkpoint, trust_remote_code)
    checkpoint = under_model_names(checkpoint, model)
    weights = {name: read_float(checkpoint, name, dtype or torch.float32) for name in wanted(checkpoint, model)}
    model.load_state_dict(weights, strict=False, assign=True)
    model.tie_weights()
    for module in model.modules():
        fill_buffers(model, module, torch.device("cpu"))
    return model.requires_grad_(False)


def check_awq(checkpoint: Checkpoint) -> None:
    """Raise `CheckpointError` unless the checkpoint is a float one or AWQ with GEMM packing and four bits."""
    found = checkpoint.quantization or {"quant_method": "awq"}
    kind = (found.get("quant_method"), str(found.get("version", "gemm")).lower(), found.get("bits", 4))
    if kind != ("awq", "gemm", 4):
        raise CheckpointError(f"{checkpoint.path} is quantised as {kind[0]} {kind[1]} with {kind[2]} bits; "
                              "give an AWQ checkpoint with GEMM packing and 4 bits.")  # fmt: skip


def wanted(checkpoint: Checkpoint, model: Any) -> list[str]:
    """The model's parameters that are in the checkpoint; raises `CheckpointError` if one is nowhere."""
    parameters = dict(model.named_parameters())  # a tied head is the embedding and is listed once
    missing = [name for name in parameters if name not in checkpoint and packed_name(name) not in checkpoint]
    if missing:
        raise CheckpointError(f"{checkpoint.path} has no tensor {missing[0]}; download the checkpoint again.")
    return list(parameters)


def packed_name(weight: str) -> str:
    """The name of the packed form of a weight."""
    return f"{weight.removesuffix('weight')}qweight"


def read_float(checkpoint: Checkpoint, name: str, dtype: torch.dtype) -> torch.Tensor:
    """A weight of the checkpoint in `dtype`, multiplied out if it is packed."""
    if packed_name(name) not in checkpoint:
        return checkpoint.read_torch(name).to(dtype, copy=True)
    fields = (checkpoint.read(f"{name.removesuffix('weight')}{field}") for field in PackedLinear._fields)
    return torch.from_numpy(dequantize(PackedLinear(*fields))).to(dtype)
