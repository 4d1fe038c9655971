"""How long a shared library must be for its segments: the dynamic linker maps them without looking at the file's end.

What lies behind the end of a mapped file cannot be touched (SIGBUS), so a truncated library would end the process.
ELF is described in elf(5) of the Linux manual; a header that is damaged otherwise is left to the linker's own checks.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

MAGIC = b"\x7fELF\x02\x01"  # 64 bits, little endian
HEADER = struct.Struct("<32xQ14xHH")  # e_phoff, e_phentsize, e_phnum
SEGMENT = struct.Struct("<4x4xQ16xQ")  # p_offset, p_filesz


def needed_bytes(code: bytes) -> int:
    """The length that a library's header and segments ask for, in bytes; 0 for what is no 64-bit library."""
    if not code.startswith(MAGIC):
        return 0
    if len(code) < HEADER.size:
        return HEADER.size
    start, size, count = HEADER.unpack_from(code)
    end = start + size * count
    if end > len(code) or size < SEGMENT.size:
        return int(end)
    segments: Iterator[tuple[int, int]] = (SEGMENT.unpack_from(code, start + size * number) for number in range(count))
    return int(max([end, *(offset + length for offset, length in segments)]))
