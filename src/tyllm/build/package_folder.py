"""The package folder under way: written beside its place and renamed at the end, so that it is whole or not there."""

from __future__ import annotations

import errno
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tyllm.package.file_names import MANIFEST, SIGNATURE, SIGNATURE_UNDER_WAY
from tyllm_base.atomic_folder import atomic_folder
from tyllm_base.errors import BuildError, OutputError, TyllmError
from tyllm_base.json_reader import parse_json
from tyllm_base.output_place import OutputPlace, entries, is_free, refuse_existing
from tyllm_base.system_errors import write_refusal
from tyllm_base.write_errors import code_in, explained

PAGE = 4096


@contextmanager
def atomic_package(place: OutputPlace, overwrite: bool) -> Iterator[Path]:
    """A temporary folder that becomes the package when the block ends well, and vanishes when it does not.

    Raises:
        OutputError: the folder exists (and `overwrite` is not set, or it is no package), or cannot be written.
    """
    refuse_existing_package(place.given, overwrite)

    def may_go(there: Path) -> bool:
        return is_free(there) or (overwrite and is_package(there) and not foreign_files(there))

    with build_explained(place.given), atomic_folder(place, MANIFEST, may_go) as temporary:
        yield temporary


def refuse_existing_package(folder: Path, overwrite: bool) -> None:
    """Raise `OutputError` unless `folder` may be written."""
    if overwrite and is_package(folder):
        if others := foreign_files(folder):
            raise OutputError(
                f"{folder} holds {others[0]}, which is no part of the package; move it away, or choose another folder."
            )
        return
    sentence = f"exists and is no package (it has no {MANIFEST}), so it stays as it is; choose another folder"
    if is_package(folder):
        sentence = "exists; choose another folder, or allow overwriting (--overwrite)"
    refuse_existing(folder, sentence, unless_empty=True)


def is_package(folder: Path) -> bool:
    """Whether a folder is a package, be it damaged."""
    with explained(folder):
        return (folder / MANIFEST).is_file()


def foreign_files(folder: Path) -> list[str]:
    """The files in a package's folder that its manifest does not name; none where that cannot be read."""
    try:
        own = {MANIFEST, SIGNATURE, SIGNATURE_UNDER_WAY, *parse_json((folder / MANIFEST).read_bytes())["files"]}
    except (OSError, ValueError, KeyError, TypeError):
        return []
    paths = [folder / name for name in entries(folder)]
    files = [path for top in paths for path in ([top] if not top.is_dir() or top.is_symlink() else top.rglob("*"))]
    return sorted(
        name for path in files if not path.is_dir() and (name := path.relative_to(folder).as_posix()) not in own
    )


def need_space(folder: Path, size: int) -> None:
    """Raise `OutputError` where the disk has not `size` bytes left for what will be written."""
    existing = next(parent for parent in (folder, *folder.parents) if parent.exists())
    free = shutil.disk_usage(existing).free
    if free < size:
        raise OutputError(
            f"{folder} needs {size / 1e6:,.1f} MB and the disk has {free / 1e6:,.1f} MB left; "
            "free some space or choose another disk."
        )


@contextmanager
def build_explained(folder: Path) -> Iterator[None]:
    """Turn refusals to write, by the system or by TVM and the linker, into an `OutputError`; other errors pass."""
    try:
        with explained(folder):
            yield
    except OSError:
        raise
    except Exception as error:  # TVM, the linker and libraries tell of a full disk in words of their own
        if isinstance(error, TyllmError) and not isinstance(error, BuildError):
            raise
        code = code_in(str(error)) or (errno.ENOSPC if _is_full(folder.parent) else None)
        if code is None:
            raise
        raise write_refusal(folder, code) from error


def _is_full(folder: Path) -> bool:
    """Whether the disk has not even a page left."""
    return folder.is_dir() and shutil.disk_usage(folder).free < PAGE
