"""The check that weights are finite: NaN, infinities and what float16 cannot hold are refused; floats as float16."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from hf_checkpoint.dtypes import FLOATS, NAMES
from hf_checkpoint.safetensors_file import Array
from tyllm_base.errors import CheckpointError

LARGEST = float(np.finfo(np.float16).max)
BLOCK = 1 << 22  # values looked at in one go, so that the check of a large tensor costs no memory


def as_float16(name: str, values: Array) -> npt.NDArray[np.float16]:
    """`values`, of any shape and float type, in float16; the same array if it is already.

    Raises:
        CheckpointError: not a float tensor, NaN, infinite, or larger than float16's 65504; it names the tensor.
    """
    if NAMES[values.dtype] not in FLOATS:
        raise CheckpointError(
            f"{name} has the type {NAMES[values.dtype]}, not a float; give the original, unquantized checkpoint."
        )
    flat = values.reshape(-1)
    for start in range(0, flat.size, BLOCK):
        check_range(name, np.asarray(flat[start : start + BLOCK], np.float32))
    return values if values.dtype == np.float16 else values.astype(np.float16)


def check_finite(name: str, values: npt.NDArray[np.float32]) -> None:
    """Raise `CheckpointError` if `values`, of any shape, has a NaN or an infinity."""
    _finite_magnitude(name, values)


def check_range(name: str, values: npt.NDArray[np.float32]) -> None:
    """Raise `CheckpointError` if `values`, of any shape, has a NaN, an infinity, or a magnitude above 65504."""
    largest = _finite_magnitude(name, values)
    if largest > LARGEST:
        raise CheckpointError(
            f"{name} holds {largest:g}, above float16's largest value {LARGEST:g}; "
            "rescale that tensor or use a checkpoint meant for float16."
        )


def _finite_magnitude(name: str, values: npt.NDArray[np.float32]) -> float:
    """The largest magnitude, 0 of no values; raises `CheckpointError` at a NaN or an infinity."""
    largest = float(np.maximum(values.max(initial=0.0), -values.min(initial=0.0)))  # NaN where any value is NaN
    if np.isnan(largest):
        raise CheckpointError(f"{name} holds NaN; the checkpoint is damaged, download it again.")
    if np.isinf(largest):
        raise CheckpointError(f"{name} holds an infinite value; the checkpoint is damaged, download it again.")
    return largest
