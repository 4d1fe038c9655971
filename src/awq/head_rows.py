"""The output projection's weight, some rows at a time, since it can be larger than any layer; float or packed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import torch

from awq.checkpoint import Checkpoint
from awq.dequantize import packed_name, read_float
from awq.half import check_range
from awq.packing import PER_WORD, PackedLinear, dequantize

VALUES = 1 << 24  # weights in memory at a time


@dataclass(frozen=True)
class HeadRows:
    """The weight `name` [V, H] of a checkpoint."""

    checkpoint: Checkpoint
    name: str
    shape: tuple[int, int]

    def blocks(self) -> Iterator[tuple[slice, torch.Tensor]]:
        """Which rows, and their weights float32 [rows, H]; raises `CheckpointError` for NaN or beyond float16."""
        outputs, inputs = self.shape
        step = max(PER_WORD, VALUES // inputs // PER_WORD * PER_WORD)
        for start in range(0, outputs, step):
            rows = slice(start, min(start + step, outputs))
            weight = self._read(rows)
            check_range(self.name, weight.numpy())
            yield rows, weight

    def _read(self, rows: slice) -> torch.Tensor:
        if self.name in self.checkpoint:
            return self.checkpoint.read_torch(self.name)[rows].to(torch.float32, copy=True)
        if packed_name(self.name) in self.checkpoint:
            return self._unpacked(rows)
        return self._whole[rows]

    def _unpacked(self, rows: slice) -> torch.Tensor:
        """Rows of a weight in AWQ's packing, where an output channel is a column and eight share a word."""
        words = slice(rows.start // PER_WORD, -(-rows.stop // PER_WORD))
        stem = self.name.removesuffix("weight")
        qweight, qzeros, scales = (self.checkpoint.read(f"{stem}{field}") for field in PackedLinear._fields)
        return torch.from_numpy(dequantize(PackedLinear(qweight[:, words], qzeros[:, words], scales[:, rows])))

    @cached_property
    def _whole(self) -> torch.Tensor:
        """A weight in any other packing."""
        return read_float(self.checkpoint, self.name, torch.float32)
