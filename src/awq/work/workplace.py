"""Where a run works: the place of its output and its work folder, both held until the result is saved or given up."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from awq.work.temporary_work import temporary_work
from awq.work.work_folder import WorkFolder
from tyllm_base.errors import OutputError
from tyllm_base.output_place import OutputPlace, cannot_be_renamed, real_path

PARTIAL = ".partial"


@dataclass
class Workplace:
    """The place of the output, if it is known, and the work folder, once it is.

    Attributes:
        output: held, where the user has said where the result will be.
        work: locked.
        is_temporary: whether the work folder is one that the user has not named, and goes if the result is given up.
        is_kept: whether it stays then, because it was to be saved.
    """

    output: OutputPlace | None = None
    work: WorkFolder | None = None
    is_temporary: bool = False
    is_kept: bool = False
    _process: int = field(default_factory=os.getpid)

    @classmethod
    def take(
        cls, quant_path: Path | None, work_dir: Path | None, refuse: Callable[[Path], object], marker: str
    ) -> Workplace:
        """Hold both, as far as they are known before the recipe is.

        Args:
            quant_path: where the result will be.
            work_dir: the work folder; by default one beside the result.
            refuse: raises `OutputError` if what is at `quant_path` stays.
            marker: a file that a finished result has.

        Raises:
            OutputError: another run is at either, `refuse` does, or the system does.
        """
        place = cls()
        work = WorkFolder(work_dir) if work_dir is not None else None
        try:
            if quant_path is not None:
                work = work or WorkFolder(partial_folder(quant_path))
                if work_dir is not None and real_path(work_dir).is_relative_to(real_path(quant_path)):
                    raise OutputError(f"The work folder {work_dir} lies in the output {quant_path}; choose another.")
                _tidy_finished(quant_path, work, marker)
                place.output = OutputPlace.take(quant_path, refuse)
            if work is not None:
                work.lock()
                place.work = work
        except BaseException:
            place.release()
            raise
        return place

    def open(self, fingerprint: str) -> WorkFolder:
        """The work folder, with the parts of the same recipe that are there; raises `OutputError`."""
        if self.work is None:
            self.work, self.is_temporary = temporary_work(fingerprint), True
        self.work.open(fingerprint)
        return self.work

    @contextmanager
    def saving(self, folder: Path, refuse: Callable[[Path], object], fingerprint: str) -> Iterator[OutputPlace]:
        """The place of the result, which may be another one than was said; held.

        When the block ends well the work goes, and all is let go of. If it does not, the work stays, for this process
        or another one, and nothing is held.

        Raises:
            OutputError: another run is there, `refuse` or the system does; the message says where the work is.
        """
        assert self.work is not None
        self.is_kept = True
        try:
            self.work.lock()
            if not self.work.is_of(fingerprint):
                raise OutputError(f"{self.work.path} holds other work than this run's; run again.")
            if self.output is not None and self.output.folder == real_path(folder):
                yield self.output
            else:
                with OutputPlace.take(folder, refuse) as place:
                    yield place
        except BaseException as error:
            self._let_go()
            if not isinstance(error, OutputError):
                raise
            again = f"with work_dir={str(self.work.path)!r}" if self.is_temporary else "in the same way"
            raise OutputError(
                f"{error} The finished work is kept in {self.work.path}: call save_quantized with another folder, "
                f"or quantize again {again}."
            ) from error
        self.work.remove()
        self.release()

    def release(self) -> None:
        """Let go of both; what is temporary goes."""
        if self._process != os.getpid():
            return
        if self.work is not None and self.is_temporary and not self.is_kept:
            self.work.remove()
        self._let_go()
        self.work = None

    def _let_go(self) -> None:
        if self.work is not None:
            self.work.unlock()
        if self.output is not None:
            self.output.release()
        self.output = None


def partial_folder(output: Path) -> Path:
    """The work folder of a result: `NAME.partial` beside it, or in it where it cannot be renamed."""
    folder = real_path(output)
    beside, inside = folder.with_name(f"{folder.name}{PARTIAL}"), folder / f".tyllm{PARTIAL}"
    return inside if cannot_be_renamed(folder) and not beside.exists() else beside


def _tidy_finished(output: Path, work: WorkFolder, marker: str) -> None:
    """Raise `OutputError` where a run was killed after its result had its name; what it left goes first."""
    is_made = work.has_made(output / marker)
    is_bare = work.path == partial_folder(output) and (output / marker).exists() and work.is_bare()
    if not is_made and not is_bare:
        return
    with OutputPlace.take(output):
        work.lock()
        work.remove()
    said = (
        f"is finished: the run that wrote it was ended while it removed {work.path.name}, which is done now"
        if is_made
        else f"is there, and {work.path.name}, which a run that was ended had left, was empty and is removed now"
    )
    raise OutputError(f"{output} {said}; use it, or choose another output folder.")
