"""Reads a checkpoint's weights a few rows at a time, in the form in which they will be stored."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import numpy.typing as npt

from tyllm.build.weight_formats import Quantization
from tyllm_errors import CheckpointError

if TYPE_CHECKING:
    from hf_checkpoint.packed_rows import PackedRows

Array = npt.NDArray[Any]
ROWS = 512
"""Outputs of a linear layer that are in memory at a time; a multiple of 16."""


@dataclass(frozen=True)
class Codes:
    """INT4 rows [n, K]: weight ≈ (codes − zeros) · scales, by groups of inputs."""

    codes: npt.NDArray[np.uint8]
    scales: npt.NDArray[np.float16]
    zeros: npt.NDArray[np.uint8]

    def columns(self, start: int, stop: int, group_size: int) -> Codes:
        """Some inputs only, by groups of `group_size`, which divides the groups that the rows have."""
        own = self.codes.shape[1] // self.scales.shape[1]

        def groups(part: Array) -> Array:
            return np.repeat(part, own // group_size, axis=1)[:, start // group_size : stop // group_size]

        return Codes(self.codes[:, start:stop], groups(self.scales), groups(self.zeros))

    def floats(self) -> npt.NDArray[np.float32]:
        """The rows that the codes stand for."""
        group = self.codes.shape[1] // self.scales.shape[1]
        zeros, scales = (np.repeat(part.astype(np.float32), group, axis=1) for part in (self.zeros, self.scales))
        return (self.codes.astype(np.float32) - zeros) * scales


class Weights(Protocol):
    """Where the compiler reads weights: a checkpoint, or a module in memory."""

    def floats(self, name: str, start: int, stop: int) -> npt.NDArray[np.float32]:
        """Rows of a weight."""

    def codes(self, name: str, start: int, stop: int) -> Codes:
        """INT4 rows of a linear weight."""


@dataclass(frozen=True)
class WeightReader:
    """A checkpoint's tensors by the model's parameter names.

    Attributes:
        checkpoint: an `hf_checkpoint.checkpoint.Checkpoint`.
        quantization: which linear weights are INT4.
        source: parameter's name → the name that its tensor has in the checkpoint, where they differ (tied heads).
    """

    checkpoint: Any
    quantization: Quantization
    source: dict[str, str]

    def shape(self, name: str) -> tuple[int, ...]:
        """The whole shape of a float tensor in the checkpoint."""
        return tuple(self.checkpoint.info(self.source.get(name, name)).shape)

    def floats(self, name: str, start: int, stop: int) -> npt.NDArray[np.float32]:
        """Rows of a float tensor, or of the floats that a quantized one stands for.

        Raises:
            CheckpointError: a value is NaN or infinite, or too large for the float16 that it is stored as.
        """
        if name in self.quantization.packed:
            return self._packed(name, start, stop).floats()
        source = self.source.get(name, name)
        rows: npt.NDArray[np.float32] = np.asarray(self.checkpoint.read(source)[start:stop], np.float32)
        check_finite(source, rows)
        return rows

    def codes(self, name: str, start: int, stop: int) -> Codes:
        """INT4 rows of a linear weight: unpacked from the checkpoint, or rounded to the nearest now."""
        if self.quantization.method == "rtn":
            return self._rounded(name, start, stop)
        rows = self._packed(name, start, stop)
        return Codes(rows.q, to_float16(f"A scale of {name}", rows.scales), rows.zeros)

    def _packed(self, name: str, start: int, stop: int) -> PackedRows:
        from hf_checkpoint.packed_rows import read_rows

        return read_rows(self.checkpoint, name, start, stop)

    def _rounded(self, name: str, start: int, stop: int) -> Codes:
        import torch

        from awq.method.rounding import Scheme, quantize_weight

        rows = self.floats(name, start, stop)
        check_range(name, rows)  # a scale is float16
        rounded = quantize_weight(torch.from_numpy(rows), Scheme(4, self.quantization.group_of(rows.shape[1])))
        return Codes(rounded.q.numpy(), rounded.scales.numpy(), rounded.zeros.numpy())


def check_finite(name: str, values: Array) -> None:
    """Raise `CheckpointError` at a NaN or an infinity."""
    if values.size and not (np.isfinite(values.max()) and np.isfinite(values.min())):  # NaN is any array's maximum
        raise CheckpointError(
            f"{name} holds NaN or infinite values; the checkpoint is damaged, download or convert it again."
        )


def to_float16(name: str, values: npt.NDArray[np.float32]) -> npt.NDArray[np.float16]:
    """float16, refusing what overflows; raises `CheckpointError`."""
    check_range(name, values)
    return values.astype(np.float16)


def check_range(name: str, values: npt.NDArray[np.float32]) -> None:
    """Raise `CheckpointError` at what is beyond float16."""
    largest = max(float(values.max(initial=0.0)), -float(values.min(initial=0.0)))
    if largest > float(np.finfo(np.float16).max):
        raise CheckpointError(f"{name} holds {largest:g}, beyond float16's 65504; use a checkpoint meant for float16.")
