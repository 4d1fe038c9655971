"""Give freed memory back to the system: glibc keeps it, in pieces that the next tensor does not fit into."""

from __future__ import annotations

import ctypes


def release() -> None:
    """Return freed memory to the system where the C library can (glibc's malloc_trim); elsewhere do nothing."""
    try:
        trim = ctypes.CDLL(None).malloc_trim
    except (OSError, TypeError, AttributeError):  # Windows, macOS, musl
        return
    trim(ctypes.c_size_t(0))
