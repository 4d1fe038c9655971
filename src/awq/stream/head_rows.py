"""The output projection's weight, some rows at a time, since it can be larger than any layer; float or packed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch

from hf_checkpoint.awq_gemm import PER_WORD
from hf_checkpoint.checkpoint import Checkpoint
from hf_checkpoint.finite_check import check_range
from hf_checkpoint.packed_rows import is_packed, read_rows

VALUES = 1 << 24  # weights in memory at a time


@dataclass(frozen=True)
class HeadRows:
    """The weight `name` [V, H] of a checkpoint."""

    checkpoint: Checkpoint
    name: str
    shape: tuple[int, int]

    def blocks(self) -> Iterator[tuple[slice, torch.Tensor]]:
        """Slices of rows with their weights float32 [rows, H]; raises `CheckpointError` for NaN or beyond float16."""
        outputs, inputs = self.shape
        step = max(PER_WORD, VALUES // inputs // PER_WORD * PER_WORD)
        for start in range(0, outputs, step):
            rows = slice(start, min(start + step, outputs))
            weight = self._read(rows)
            check_range(self.name, weight.numpy())
            yield rows, weight

    def _read(self, rows: slice) -> torch.Tensor:
        if is_packed(self.checkpoint, self.name):
            return torch.from_numpy(read_rows(self.checkpoint, self.name, rows.start, rows.stop).dequantize())
        return self.checkpoint.read_torch(self.name)[rows].to(torch.float32, copy=True)
