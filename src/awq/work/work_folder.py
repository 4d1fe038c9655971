"""The folder where finished parts of a run wait, so that a killed run goes on where it was."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from awq.work.activation_cache import KEPT, SUFFIX
from hf_checkpoint.safetensors_file import Array, Blocks, read_header, write_safetensors
from tyllm_base.atomic_files import TEMPORARY, make_folder, write_json
from tyllm_base.errors import OutputError
from tyllm_base.file_lock import FileLock
from tyllm_base.json_reader import read_json
from tyllm_base.write_errors import explained

STATE = "state.json"
LOCK = "lock"
OF_NFS = ".nfs"  # so begin the names under which it keeps files that were removed while they were open
OWN_SUFFIXES = (".part", f".part{TEMPORARY}", SUFFIX, ".tape")  # .tape is the activation cache of runs before 2026-12


@dataclass
class WorkFolder:
    """Finished parts as safetensors files, each written whole or not at all, beside the fingerprint of their recipe.

    Between `lock` and `unlock` it is this run's alone.
    """

    path: Path
    _lock: FileLock | None = field(default=None, compare=False)

    def lock(self) -> None:
        """Make the folder unless it is there, and keep other runs out; raises `OutputError` if one is in."""
        if self._lock is not None:
            return
        with explained(self.path):
            make_folder(self.path)
            try:
                self._lock = FileLock.take(self.path / LOCK)
            except BlockingIOError as error:
                raise OutputError(
                    f"Another run works in {self.path} ({error.strerror}); wait for its end, or choose another folder."
                ) from None

    def unlock(self) -> None:
        """Let other runs in; a folder in which nothing waits goes."""
        if self._lock is not None:
            self._lock.release()
            self._lock = None
            with suppress(OSError):
                self.path.rmdir()

    def open(self, fingerprint: str) -> None:
        """Lock the folder unless it is, and keep parts that the same recipe left; those of another one are removed.

        Raises:
            OutputError: another run works there, the folder cannot be written, or holds something that is not ours.
        """
        self.lock()
        if not self.is_of(fingerprint):
            self.clear()
            write_json(self.path / STATE, {"fingerprint": fingerprint}, KEPT)

    def is_begun(self) -> bool:
        """Whether a run has worked here."""
        return "fingerprint" in self._state()

    def is_of(self, fingerprint: str) -> bool:
        """Whether the parts are those of the recipe with this fingerprint, and nobody has begun to remove them."""
        state = self._state()
        return state.get("fingerprint") == fingerprint and "removed" not in state

    def note_result(self, marker: Path) -> None:
        """Note that all parts are in a folder that now gets its name; `marker` is a file in it."""
        write_json(self.path / STATE, self._state() | {"result": _identity(marker)}, KEPT)

    def has_made(self, marker: Path) -> bool:
        """Whether the folder with the file `marker` is what was made from the parts that are, or were, here."""
        try:
            return self._state().get("result") == _identity(marker)
        except OSError:
            return False

    def is_bare(self) -> bool:
        """Whether the folder is there with nothing in it: a run ended before its first part, or when all were gone."""
        with explained(self.path):
            return self.path.is_dir() and all(file.name == LOCK for file in self.path.iterdir())

    def _state(self) -> dict[str, str]:
        """What is written there: the fingerprint, and the result once there is one; empty if there is none to read."""
        try:
            return read_json(self.path / STATE, OutputError, "")
        except OutputError:
            return {}

    def clear(self) -> None:
        """Remove our files, the fingerprint last; raises `OutputError` if there are others."""
        ours = (STATE, STATE + TEMPORARY, LOCK)
        with explained(self.path):
            files = [file for file in self.path.iterdir() if not file.name.startswith(OF_NFS)]
            for file in files:
                if (file.name not in ours and not file.name.endswith(OWN_SUFFIXES)) or file.is_dir():
                    raise OutputError(
                        f"{self.path} holds {file.name}, which no earlier run left there; use an empty folder."
                    )
            for file in sorted(files, key=lambda file: file.name == STATE):
                if file.name != LOCK:
                    file.unlink()

    def remove(self) -> None:
        """Remove the folder with all parts, and let go of it; parts that are left when this is ended count no more."""
        with suppress(OutputError):  # a full disk: what is removed makes room
            write_json(self.path / STATE, self._state() | {"removed": "begun"}, KEPT)
        self.clear()
        self.unlock()
        with suppress(OSError):  # another run has come in, or a network's file system holds what is still open
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


def _identity(file: Path) -> str:
    """What no other file has, and what stays when its folder is renamed."""
    status = file.stat()
    return f"{status.st_ino}:{status.st_size}:{status.st_mtime_ns}"
