"""Loads a shared library from bytes that were checked, so that no file can change between the check and the use.

The bytes lie in a sealed file in memory (memfd), or where the system has none, in a private temporary file that is
gone once it is loaded. The dynamic linker takes what it has loaded already for what is asked for: it compares the name
first, then device and inode. So each load has a name of its own, and code is unloaded where it is needed no more.
"""

from __future__ import annotations

import ctypes
import fcntl
import itertools
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from importlib.resources.abc import Traversable
from pathlib import Path

from tyllm.runtime.execute.elf_segments import needed_bytes
from tyllm_base.errors import OutputError, PackageError
from tyllm_base.system_errors import load_refusal, reading
from tyllm_base.user_folders import temporary_place

_loads = itertools.count(1)


def load_code(path: Traversable) -> ctypes.CDLL:
    """The library that the bytes of `path` are, loaded anew whatever else is; `unload_code` is its counterpart.

    Raises:
        PackageError: they are no library for this machine, or the system refuses.
    """
    with reading(str(path), PackageError):
        code = path.read_bytes()
    if needed_bytes(code) > len(code):
        raise PackageError(f"{path} is truncated: {len(code)} of {needed_bytes(code)} bytes; compile the model again.")
    try:
        with _in_memory(code, path.name) as name:
            return _opened(name, path)
    except OSError as refusal:
        if _may_be_of_memory_files(refusal):
            with suppress(OSError, OutputError), _on_disk(code, path.name) as name:
                return _opened(name, path)
        raise _refusal(path, refusal) from refusal


def unload_code(library: ctypes.CDLL) -> None:
    """Unload a library; nothing of it may be called, or be running, from then on."""
    _libc().dlclose(library._handle)


def _opened(name: str, path: Traversable) -> ctypes.CDLL:
    library = ctypes.CDLL(name, mode=ctypes.RTLD_LOCAL)
    library._name = str(path)
    return library


def _may_be_of_memory_files(refusal: OSError) -> bool:
    """Whether the system, and not the linker, refused: no memfd, none that may be executed, no /proc to name it by."""
    words = ("failed to map segment", "cannot open shared object file")
    return refusal.errno is not None or any(each in str(refusal) for each in words)


def _refusal(path: Traversable, refusal: OSError) -> PackageError:
    """Why code cannot be loaded: the dynamic linker's words name the file in memory, which says nothing to anyone."""
    words = str(refusal)
    if words.startswith("/proc/self/fd/"):
        refusal = OSError(words.partition(": ")[2])
    return load_refusal(str(path), refusal)


@contextmanager
def _in_memory(code: bytes, name: str) -> Iterator[str]:
    """The path of a file in memory that nobody can write to any more."""
    descriptor = os.memfd_create(name[:60], os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    try:
        _write(descriptor, code)
        seals = fcntl.F_SEAL_WRITE | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_SEAL
        fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, seals)
        yield f"/proc/self/fd/{_unique_slashes()}{descriptor}"
    finally:
        os.close(descriptor)


@contextmanager
def _on_disk(code: bytes, name: str) -> Iterator[str]:
    """The path of a file in a new folder that is this user's alone."""
    with tempfile.TemporaryDirectory(prefix="tyllm-code-", dir=temporary_place()) as folder:
        path = Path(folder, f"{next(_loads)}-{name[:60]}")
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o500)
        try:
            _write(descriptor, code)
        finally:
            os.close(descriptor)
        yield str(path)


def _write(descriptor: int, code: bytes) -> None:
    rest = memoryview(code)
    while rest:
        rest = rest[os.write(descriptor, rest) :]


def _unique_slashes() -> str:
    """The number of this load, written in "/" and "./": a path says the same with them, and is another name."""
    return f"{next(_loads):b}".replace("0", "/").replace("1", "./")


@cache
def _libc() -> ctypes.CDLL:
    libc = ctypes.CDLL(None)
    libc.dlclose.argtypes = [ctypes.c_void_p]
    return libc
