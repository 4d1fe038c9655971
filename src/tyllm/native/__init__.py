"""The runtime's C library: its sources, and how they are compiled into every die's shared library."""

from __future__ import annotations

from pathlib import Path

FOLDER = Path(__file__).parent


def sources() -> list[Path]:
    """The C files, to be compiled and linked with a die's compiled program."""
    return sorted(FOLDER.glob("*.c"))


def headers() -> list[Path]:
    """The header files, all in the one folder."""
    return sorted(FOLDER.glob("*.h"))


def compile_flags() -> list[str]:
    """Flags for each C file, with gcc, clang or `zig cc`. Contraction off: an all_reduce has the same bits anywhere."""
    return ["-std=c11", "-O3", "-fPIC", "-fvisibility=hidden", "-ffp-contract=off", "-Wall", "-Wextra"]


def link_flags() -> list[str]:
    """Flags to link a shared library; a symbol that nobody defines is an error then and not when it is loaded."""
    return ["-shared", "-pthread", "-Wl,-z,defs", "-lm"]
