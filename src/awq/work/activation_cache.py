"""The activation cache: inputs of linear layers from one pass over the calibration tokens, kept for later passes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch

from tyllm_base.write_errors import explained

SUFFIX = ".activations"
KEPT = "finished layers are kept"  # what is said where the disk fills during a run


@dataclass
class ActivationCache:
    """Inputs float32 [tokens, K] by the name of the linear layer, a file each in the folder `path`.

    Attributes:
        path: an existing folder.
        device: where `read` puts what it reads.
        widths: K of each name that was appended since the cache was last cleared.
    """

    path: Path
    device: torch.device
    widths: dict[str, int] = field(default_factory=dict)

    def _file(self, name: str) -> Path:
        return self.path / f"{name}{SUFFIX}"

    def append(self, name: str, x: torch.Tensor) -> None:
        """Add a batch, float32 [tokens, K], behind those that `name` has; raises `OutputError`."""
        with explained(self.path, KEPT), self._file(name).open("ab" if name in self.widths else "wb") as file:
            file.write(x.cpu().contiguous().numpy().data)  # unlike `tofile` it tells why it is refused
        self.widths[name] = x.shape[1]

    def batches(self, name: str, tokens: int) -> Iterator[torch.Tensor]:
        """All inputs of `name` in the order in which they were appended, float32 [tokens, K] at a time."""
        with self._file(name).open("rb") as file:
            while True:
                values = np.fromfile(file, np.float32, tokens * self.widths[name])
                if not values.size:
                    return
                yield torch.from_numpy(values).view(-1, self.widths[name]).to(self.device)

    def clear(self) -> None:
        """Remove the files."""
        for name in self.widths:
            self._file(name).unlink(missing_ok=True)
        self.widths.clear()
