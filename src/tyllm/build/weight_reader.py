"""Reads a checkpoint's weights a few rows at a time, in the form in which they will be stored."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np
import numpy.typing as npt

from hf_checkpoint.expert_rows import read_expert_rows
from hf_checkpoint.expert_stack import Storage
from hf_checkpoint.finite_check import as_float16, check_finite, check_range
from hf_checkpoint.packed_rows import is_packed, read_rows
from hf_checkpoint.quantized_rows import QuantizedRows
from tyllm.build.weight_formats import Quantization

if TYPE_CHECKING:
    from hf_checkpoint.checkpoint import Checkpoint

ROWS = 512
"""Outputs of a linear layer that are in memory at a time; a multiple of 16."""


class Weights(Protocol):
    """Where the compiler reads weights: a checkpoint, or a module in memory."""

    def floats(self, name: str, start: int, stop: int) -> npt.NDArray[np.float32]:
        """Rows [start, stop) of a weight, float32 [stop − start, …]."""

    def codes(self, name: str, start: int, stop: int) -> QuantizedRows:
        """INT4 rows [start, stop) of a linear weight."""


@dataclass(frozen=True)
class WeightReader:
    """A checkpoint's tensors by the model's parameter names.

    Attributes:
        checkpoint: the open folder.
        quantization: which linear weights are INT4.
        source: parameter's name → the name that its tensor has in the checkpoint, where they differ (tied heads).
    """

    checkpoint: Checkpoint
    quantization: Quantization
    source: dict[str, str]

    def shape(self, name: str) -> tuple[int, ...]:
        """The whole shape of a float tensor in the checkpoint."""
        return tuple(self.checkpoint.info(self.source.get(name, name)).shape)

    def floats(self, name: str, start: int, stop: int) -> npt.NDArray[np.float32]:
        """Rows of a float tensor, or of a dequantized one, float32 [stop − start, …].

        Raises:
            CheckpointError: a value is NaN or infinite, or too large for the float16 that it is stored as.
        """
        stack = self.checkpoint.stacks.get(name)
        if stack is not None and stack.storage is not Storage.SEPARATE:
            rows = read_expert_rows(self.checkpoint, stack, start, stop)
            check_finite(stack.names[0], rows)
            return rows
        parts = [self._floats(*part) for part in self._parts(name, start, stop)]
        return parts[0] if len(parts) == 1 else np.concatenate(parts)

    def codes(self, name: str, start: int, stop: int) -> QuantizedRows:
        """INT4 rows of a linear weight: unpacked from the checkpoint, or rounded to the nearest now."""
        if self.quantization.method == "rtn":
            return self._rounded(name, start, stop)
        rows = QuantizedRows.joined([read_rows(self.checkpoint, *part) for part in self._parts(name, start, stop)])
        return QuantizedRows(rows.codes, as_float16(f"A scale of {name}", rows.scales), rows.zeros)

    def _parts(self, name: str, start: int, stop: int) -> Iterable[tuple[str, int, int]]:
        """The tensors that have rows [start, stop) of a parameter, each with its own rows that are among them."""
        if name in self.checkpoint.stacks:
            return self.checkpoint.stacks[name].parts(start, stop)
        return [(self.source.get(name, name), start, stop)]

    def _floats(self, source: str, start: int, stop: int) -> npt.NDArray[np.float32]:
        """Rows of one tensor."""
        if is_packed(self.checkpoint, source):
            return read_rows(self.checkpoint, source, start, stop).dequantize()
        rows: npt.NDArray[np.float32] = np.asarray(self.checkpoint.read_numpy(source)[start:stop], np.float32)
        check_finite(source, rows)
        return rows

    def _rounded(self, name: str, start: int, stop: int) -> QuantizedRows:
        import torch

        from awq.method.rounding import Scheme, quantize_to_nearest

        rows = self.floats(name, start, stop)
        check_range(name, rows)  # a scale is float16
        rounded = quantize_to_nearest(torch.from_numpy(rows), Scheme(4, self.quantization.group_of(rows.shape[1])))
        return rounded.to_numpy()
