"""The system's refusals to read and to write files, each as one sentence with its reason and a true cure: one table."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from tyllm_base.errors import CheckpointError, OutputError, PackageError, TyllmError

FULL = (errno.ENOSPC, errno.EDQUOT)


class Refusal(NamedTuple):
    """Why the system refuses, and what helps: `{again}` is how one gets the file anew."""

    reason: str
    to_read: str
    to_write: str


def _table() -> dict[int, Refusal]:
    elsewhere, local = "choose another folder", "copy the folder to a local disk"
    remount = f"mount it again, or {local}"
    broken = Refusal("the disk or the connection to it failed", "look into `dmesg`, and {again} from a sound place",
                     f"look into `dmesg`, and {elsewhere}")  # fmt: skip
    stale = Refusal("the network file system lost it (it was replaced, or its server went away)", remount, elsewhere)
    memory = Refusal("there is no memory left for it", *2 * ("end other programs or raise the limit (ulimit -v)",))
    denied = Refusal(
        "permission is denied", "let this user read it (chmod, chown)", "choose a folder that you may write"
    )
    no_folder = Refusal("a part of the path is a file", "check the path", elsewhere)
    return {
        errno.ENOSPC: Refusal("the disk is full", *2 * ("free some space and run again",)),
        errno.EDQUOT: Refusal("the disk quota is used up", *2 * ("free some space and run again",)),
        errno.EROFS: Refusal("the file system is read-only", elsewhere, elsewhere),
        errno.EFBIG: Refusal("the file would be larger than the limit for files", "raise the limit (ulimit -f)",
                             f"raise the limit (ulimit -f) or {elsewhere}"),
        errno.EACCES: denied,
        errno.EPERM: denied,
        errno.ENOENT: Refusal("there is no such file", "{again}", "check its path, or choose another folder"),
        errno.ENOTDIR: no_folder,
        errno.EEXIST: no_folder,
        errno.EISDIR: Refusal("it is a folder and should be a file", "{again}", elsewhere),
        errno.ENOTEMPTY: Refusal("something is there", "check the path", elsewhere),
        errno.ELOOP: Refusal("its symbolic links go round in a circle", "point them to a file", elsewhere),
        errno.ENAMETOOLONG: Refusal("the name is too long for the file system", *2 * ("use a shorter path",)),
        errno.EMFILE: Refusal("this process has too many files open",
                              *2 * ("close what is not needed or raise the limit (ulimit -n)",)),
        errno.ENFILE: Refusal("this machine has too many files open",
                              *2 * ("end other programs or raise the limit (sysctl fs.file-max)",)),
        errno.ENOMEM: memory,
        errno.EAGAIN: memory,
        errno.EIO: broken,
        errno.EREMOTEIO: broken,
        errno.ENXIO: broken,
        errno.EUCLEAN: broken,  # ext4 and xfs: its structure is damaged
        errno.EBADMSG: broken,  # their checksum does not agree
        errno.ESTALE: stale,
        errno.ENOTCONN: stale,  # FUSE: transport endpoint is not connected
        errno.ETIMEDOUT: stale,
        errno.EHOSTDOWN: stale,
        errno.ENODEV: Refusal("its file system cannot map files into memory", local, elsewhere),
        errno.EBUSY: Refusal("another program uses it", *2 * ("end that program and run again",)),
        errno.ETXTBSY: Refusal("another program uses it", *2 * ("end that program and run again",)),
        errno.EINVAL: Refusal("the file system does not allow it", local, elsewhere),
        errno.EOPNOTSUPP: Refusal("the file system cannot do it", local, elsewhere),
    }  # fmt: skip


REFUSALS = _table()
AGAIN: dict[type[TyllmError], str] = {
    PackageError: "copy the package or compile the model again",
    CheckpointError: "copy or download the checkpoint again",
}
NO_EXECUTION = "its disk does not allow programs to run (it is mounted noexec), or a security policy forbids it"


def write_refusal(path: Path | str, code: int | None, note: str = "") -> OutputError:
    """The error that says why `path` cannot be written, and the cure.

    Args:
        path: what should have been written.
        code: the `errno` of the system's refusal.
        note: what else to say where the disk is full.
    """
    known = REFUSALS.get(code or 0)
    cure = f"{known.reason}; {known.to_write}" if known else f"{os.strerror(code or 0)}; choose another folder"
    return OutputError(f"Cannot write {path}: {cure}{f', {note}' if note and code in FULL else ''}.")


def read_refusal(path: Path | str, error: OSError, kind: type[TyllmError], again: str | None = None) -> TyllmError:
    """The error that says why `path` cannot be read, and the cure.

    Args:
        path: what should have been read.
        error: the system's refusal.
        kind: the class of the error, and so the exit code.
        again: how one gets the file anew, such as "compile the model again"; what fits `kind` when None.
    """
    again = again or next((cure for one, cure in AGAIN.items() if issubclass(kind, one)), "check the path")
    known = REFUSALS.get(error.errno or 0)
    if known is None:
        return kind(f"Cannot read {path}: {error.strerror or str(error) or type(error).__name__}; {again}.")
    return kind(f"Cannot read {path}: {known.reason}; {known.to_read.format(again=again)}.")


@contextmanager
def reading(path: Path | str, kind: type[TyllmError], again: str | None = None) -> Iterator[None]:
    """Turn an `OSError` raised inside into a `kind` that names `path`, the reason and the cure: `read_refusal`."""
    try:
        yield
    except OSError as error:
        raise read_refusal(path, error, kind, again) from error


def load_refusal(path: Path | str, error: OSError) -> PackageError:
    """The error that says why the dynamic linker cannot load a library: it has words only, no `errno`."""
    said = str(error)
    if "failed to map segment" in said and os.strerror(errno.ENOMEM) not in said:
        return PackageError(f"Cannot load {path}: {NO_EXECUTION}; copy the package to another disk.")
    code = next((code for code in REFUSALS if said.endswith(os.strerror(code))), None)
    if code is None:
        return PackageError(f"Cannot load {path} ({said}); compile the model again.")
    known = read_refusal(path, OSError(code, os.strerror(code)), PackageError)
    return PackageError(str(known).replace("Cannot read", "Cannot load", 1))
