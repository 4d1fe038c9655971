"""Weights of any float type as float16, refusing what float16 cannot hold."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from hf_checkpoint.safetensors_file import NAMES, Array
from tyllm_errors import CheckpointError

LARGEST = float(np.finfo(np.float16).max)
FLOATS = ("F64", "F32", "F16", "BF16")
BLOCK = 1 << 22  # values looked at in one go, so that the check of a large tensor costs no memory


def as_float16(name: str, values: Array) -> npt.NDArray[np.float16]:
    """`values` in float16, the same array if it is already.

    Raises:
        CheckpointError: not a float tensor, NaN, infinite, or larger than float16's 65504; it names the tensor.
    """
    if NAMES[values.dtype] not in FLOATS:
        raise CheckpointError(
            f"{name} has the type {NAMES[values.dtype]}, not a float; give the original, unquantized checkpoint."
        )
    flat = values.reshape(-1)
    for start in range(0, flat.size, BLOCK):
        check_range(name, flat[start : start + BLOCK].astype(np.float32))
    return values if values.dtype == np.float16 else values.astype(np.float16)


def check_range(name: str, values: npt.NDArray[np.float32]) -> None:
    """Raise `CheckpointError` if `values` has a NaN, an infinity, or a magnitude above 65504."""
    largest = float(np.abs(values).max(initial=0.0))
    if np.isnan(largest):
        raise CheckpointError(f"{name} holds NaN; the checkpoint is damaged, download it again.")
    if np.isinf(largest):
        raise CheckpointError(f"{name} holds an infinite value; the checkpoint is damaged, download it again.")
    if largest > LARGEST:
        raise CheckpointError(
            f"{name} holds {largest:g}, above float16's largest value {LARGEST:g}; "
            "rescale that tensor or use a checkpoint meant for float16."
        )
