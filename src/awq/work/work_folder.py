"""The folder where finished parts of a run wait, so that a killed run goes on where it was."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from awq.work.activation_cache import KEPT, SUFFIX
from hf_checkpoint.safetensors_file import Array, Blocks, read_header, write_safetensors
from tyllm_base.atomic_files import TEMPORARY, explained, make_folder, write_json
from tyllm_base.errors import OutputError

STATE = "state.json"
OWN_SUFFIXES = (".part", f".part{TEMPORARY}", SUFFIX, ".tape")  # .tape is the activation cache of runs before 2026-12


@dataclass(frozen=True)
class WorkFolder:
    """Finished parts as safetensors files, each written whole or not at all, beside the fingerprint of their recipe."""

    path: Path

    def open(self, fingerprint: str) -> None:
        """Make the folder unless it is there; parts that another recipe left are removed.

        Raises:
            OutputError: the folder cannot be written, or holds something that is not ours.
        """
        make_folder(self.path)
        if self._fingerprint() != fingerprint:
            self.clear()
            write_json(self.path / STATE, {"fingerprint": fingerprint}, KEPT)

    def _fingerprint(self) -> str | None:
        """The fingerprint written there, None if there is none to read."""
        try:
            return str(json.loads((self.path / STATE).read_text(encoding="utf-8"))["fingerprint"])
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def clear(self) -> None:
        """Remove our files; raises `OutputError` if there are others."""
        ours = (STATE, STATE + TEMPORARY)
        files = list(self.path.iterdir())
        for file in files:
            if file.name not in ours and not file.name.endswith(OWN_SUFFIXES):
                raise OutputError(
                    f"{self.path} holds {file.name}, which no earlier run left there; use an empty folder."
                )
        with explained(self.path):
            for file in files:
                file.unlink()

    def remove(self) -> None:
        """Remove the folder with all parts."""
        self.clear()
        with explained(self.path):
            self.path.rmdir()

    def file(self, part: str) -> Path:
        """The file of `part`, once it is finished."""
        return self.path / f"{part}.part"

    def has(self, part: str) -> bool:
        """Whether `part` is finished."""
        return self.file(part).exists()

    def read_tensor(self, part: str, tensor: str) -> Array:
        """A tensor of a finished part, in its shape and type."""
        return np.array(read_header(self.file(part))[tensor].read())

    def drop(self, part: str) -> None:
        """Remove a part that is needed no more."""
        self.file(part).unlink(missing_ok=True)

    def write_part(self, part: str, tensors: Mapping[str, Array | Blocks]) -> None:
        """Write the tensors of `part`, of any shapes, and so finish it; raises `OutputError`."""
        write_safetensors(self.file(part), tensors, KEPT)
