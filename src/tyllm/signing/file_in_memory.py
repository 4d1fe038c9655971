"""Bytes that were read and checked, as a file for a library that takes paths: what it reads is what was checked."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def file_in_memory(data: bytes) -> Iterator[Path]:
    """A path that this process can read `data` from, as often as it likes, until the block ends; never on a disk."""
    descriptor = os.memfd_create("tyllm", os.MFD_CLOEXEC)
    try:
        with os.fdopen(descriptor, "wb", closefd=False) as file:
            file.write(data)
        yield Path(f"/proc/self/fd/{descriptor}")
    finally:
        os.close(descriptor)
