"""Maps a file for reading, in large pages where the system has them, without keeping a descriptor open.

Python's own `mmap` keeps one for each mapping (before 3.13), and cannot be closed while an array looks into it.
"""

from __future__ import annotations

import ctypes
import mmap
import os
import weakref
from functools import cache

import numpy as np
import numpy.typing as npt

FAILED = ctypes.c_void_p(-1).value


def map_file(descriptor: int, size: int) -> npt.NDArray[np.uint8]:
    """The first `size` bytes of an open file, uint8 [size], read-only; unmapped when the last view of them goes.

    A cold file comes to the page cache in large pages (docs/log/linear_kernels.md).

    Raises:
        OSError: the system refuses; `size` 0 is `EINVAL`.
    """
    libc = _libc()
    address = libc.mmap(None, size, mmap.PROT_READ, mmap.MAP_SHARED, descriptor, 0)
    if address == FAILED:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    buffer = (ctypes.c_ubyte * size).from_address(address)
    weakref.finalize(buffer, libc.munmap, address, size).atexit = False  # threads may still read then
    if hasattr(mmap, "MADV_HUGEPAGE"):
        libc.madvise(address, size, mmap.MADV_HUGEPAGE)  # a wish: a kernel without large pages refuses
    mapped: npt.NDArray[np.uint8] = np.frombuffer(memoryview(buffer), np.uint8)
    mapped.flags.writeable = False
    return mapped


@cache
def _libc() -> ctypes.CDLL:
    libc = ctypes.CDLL(None, use_errno=True)
    libc.mmap.restype = ctypes.c_void_p
    libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, *[ctypes.c_int] * 3, ctypes.c_long]
    libc.munmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t]
    libc.madvise.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
    return libc
