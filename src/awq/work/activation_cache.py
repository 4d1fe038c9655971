"""What linear layers read in one pass over the calibration tokens, kept on disk for later passes of the same layer."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch

from hf_checkpoint.atomic_files import explained


@dataclass
class Tape:
    """Batches of float32 [tokens, K] by name, in files of the folder `path`; played in the order of recording."""

    path: Path
    device: torch.device
    widths: dict[str, int] = field(default_factory=dict)

    def _file(self, name: str) -> Path:
        return self.path / f"{name}.tape"

    def record(self, name: str, x: torch.Tensor) -> None:
        """Append a batch; raises `OutputError`."""
        with explained(self.path), self._file(name).open("ab" if name in self.widths else "wb") as file:
            x.cpu().contiguous().numpy().tofile(file)
        self.widths[name] = x.shape[1]

    def play(self, name: str, tokens: int) -> Iterator[torch.Tensor]:
        """All that was recorded as `name`, `tokens` at a time."""
        with self._file(name).open("rb") as file:
            while True:
                values = np.fromfile(file, np.float32, tokens * self.widths[name])
                if not values.size:
                    return
                yield torch.from_numpy(values).view(-1, self.widths[name]).to(self.device)

    def erase(self) -> None:
        """Remove the files."""
        for name in self.widths:
            self._file(name).unlink(missing_ok=True)
        self.widths.clear()
