"""A quantized checkpoint as an ordinary transformers model: every weight right, the output projection too."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from tyllm_base.doors import Door
from tyllm_base.errors import CheckpointError, SettingError

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel


@Door(CheckpointError)
def load_quantized(
    path: str | Path,
    dtype: torch.dtype | str | None = None,
    device: torch.device | str | None = None,
    trust_remote_code: bool = False,
) -> PreTrainedModel:
    """The Hugging Face model of the quantized folder `path`, with float weights, so that it needs no kernels.

    transformers' own loader takes the format "awq" only with gptqmodel's kernels, and makes up a quantized output
    projection at random; here each weight is what its codes stand for. The model takes the memory of a float one, and
    its config names no quantization: `save_pretrained` writes a float checkpoint.

    Args:
        path: a folder with AWQ GEMM or compressed-tensors `pack-quantized` weights of 4 or 8 bits, or a float one.
        dtype: type of the weights, such as torch.float16 or "float16"; float32 by default.
        device: where to put them; the CPU by default.
        trust_remote_code: accept a config that names code of its own.

    Raises:
        CheckpointError: the folder is damaged, or quantized in another way.
        SettingError: `dtype` is no float type, or `device` no device.
        UnsupportedError: a model that transformers does not know, or weights of other than 4 or 8 bits.
    """
    import torch

    from awq.stream.dequantize import load_dequantized

    found = getattr(torch, dtype.removeprefix("torch."), None) if isinstance(dtype, str) else dtype or torch.float32
    if not isinstance(found, torch.dtype) or not found.is_floating_point:
        raise SettingError(f"dtype is {dtype!r}; use 'float32', 'float16' or 'bfloat16'.")
    try:
        place = torch.device(device or "cpu")
    except RuntimeError as error:
        raise SettingError(f"device is {device!r}, which torch does not know; use 'cpu' or 'cuda'.") from error
    return load_dequantized(path, found, trust_remote_code).to(place)
