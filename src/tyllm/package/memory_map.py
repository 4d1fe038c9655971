"""Maps a file for reading, in large pages where the system has them."""

from __future__ import annotations

import mmap
from contextlib import suppress
from typing import BinaryIO


def map_file(file: BinaryIO) -> mmap.mmap:
    """The whole of an open file; a cold one comes to the page cache in large pages (docs/log/linear_kernels.md).

    Raises:
        OSError: the system refuses.
        ValueError: the file is empty.
    """
    mapped = mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ)
    if hasattr(mmap, "MADV_HUGEPAGE"):
        with suppress(OSError):  # a wish: a kernel without large pages refuses
            mapped.madvise(mmap.MADV_HUGEPAGE)
    return mapped
