"""Work folders of runs that were given none: temporary, and found again by the next run with the same recipe."""

from __future__ import annotations

import os
import stat
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from awq.work.part_names import REST
from awq.work.work_folder import WorkFolder
from tyllm_base.errors import OutputError
from tyllm_base.write_errors import explained

PREFIX = "awq-"


def temporary_work(fingerprint: str) -> WorkFolder:
    """A locked work folder among the system's temporary ones: what a killed run with this recipe left, or a new one.

    Unfinished work that killed runs with other recipes left goes; finished work stays, for it was told where it is.

    Raises:
        OutputError: there is no folder for temporary files, or it cannot be written.
    """
    found: WorkFolder | None = None
    for work in _abandoned():
        if found is None and work.is_of(fingerprint):
            found = work
            warnings.warn(f"An earlier run was ended; its work in {work.path} is gone on with.", UserWarning, 3)
        elif work.has(REST):
            work.unlock()
        else:
            work.remove()
            warnings.warn(f"An earlier run was ended; its work in {work.path} is removed.", UserWarning, 3)
    if found is None:
        with explained(Path(tempfile.gettempprefix())):
            found = WorkFolder(Path(tempfile.mkdtemp(prefix=PREFIX)))
        found.lock()
    return found


def _abandoned() -> Iterator[WorkFolder]:
    """This user's work folders in which nobody works, locked."""
    with suppress(OSError):
        for path in sorted(Path(tempfile.gettempdir()).glob(f"{PREFIX}*")):
            status = path.stat(follow_symlinks=False)
            is_own = status.st_uid == os.geteuid() and stat.S_IMODE(status.st_mode) == stat.S_IRWXU
            work = WorkFolder(path)
            if is_own and path.is_dir() and work.is_begun():
                with suppress(OutputError):  # it is worked in
                    work.lock()
                    yield work
