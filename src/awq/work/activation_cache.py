"""The activation cache: inputs of linear layers from one pass over the calibration tokens, kept for later passes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch

from tyllm_base.errors import OutputError
from tyllm_base.system_errors import reading
from tyllm_base.write_errors import explained

SUFFIX = ".activations"
KEPT = "finished layers are kept"  # what is said where the disk fills during a run


@dataclass
class ActivationCache:
    """Inputs float32 [tokens, K] by the name of the linear layer, a file each in the folder `path`.

    Attributes:
        path: an existing folder.
        device: where `batches` puts what it reads.
        shapes: [tokens, K] of each name that was appended since the cache was last cleared.
    """

    path: Path
    device: torch.device
    shapes: dict[str, tuple[int, int]] = field(default_factory=dict)

    def _file(self, name: str) -> Path:
        return self.path / f"{name}{SUFFIX}"

    def append(self, name: str, x: torch.Tensor) -> None:
        """Add a batch, float32 [tokens, K], behind those that `name` has; raises `OutputError`."""
        with explained(self.path, KEPT), self._file(name).open("ab" if name in self.shapes else "wb") as file:
            file.write(x.cpu().contiguous().numpy().data)  # unlike `tofile` it tells why it is refused
        before, _ = self.shapes.get(name, (0, 0))
        self.shapes[name] = (before + x.shape[0], x.shape[1])

    def batches(self, name: str, tokens: int) -> Iterator[torch.Tensor]:
        """All inputs of `name` in the order in which they were appended, float32 [tokens, K] at a time.

        Raises:
            OutputError: the system refuses to read them, or they are no longer what was appended.
        """
        path, (rows, width) = self._file(name), self.shapes[name]
        with reading(path, OutputError), path.open("rb") as file:
            for start in range(0, rows, tokens):
                values = np.empty((min(tokens, rows - start), width), np.float32)
                if file.readinto(values.data) != values.nbytes:  # unlike `fromfile` it tells of an error
                    raise OutputError(f"{path} was cut short while this run worked with it; run again.")
                yield torch.from_numpy(values).to(self.device)

    def clear(self) -> None:
        """Remove the files."""
        for name in self.shapes:
            self._file(name).unlink(missing_ok=True)
        self.shapes.clear()
