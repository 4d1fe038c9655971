"""How much memory this process can still take: of the machine, and of its control groups."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from tyllm_base.machine import CGROUPS, OWN_CGROUP

MEMINFO = Path("/proc/meminfo")
FILES = (("memory.max", "memory.current"), ("memory.limit_in_bytes", "memory.usage_in_bytes"))
UNTOLD = 1 << 32  # bytes, where no file says


def available_memory() -> int:
    """Bytes: what the kernel says is available, or what the least of the control groups' limits leaves if less."""
    return max(0, min([_of_machine(), *_left_of_groups()]))


def _of_machine() -> int:
    with suppress(OSError, ValueError):
        found = re.search(r"^MemAvailable:\s+(\d+) kB", MEMINFO.read_text(), re.MULTILINE)
        if found:
            return int(found[1]) * 1024
    return UNTOLD


def _left_of_groups() -> Iterator[int]:
    """What each limit of this process's control groups and their parents leaves (cgroup v1, v2)."""
    with suppress(OSError, ValueError):
        for line in OWN_CGROUP.read_text().splitlines():
            _, controllers, path = line.split(":", 2)
            if controllers in ("", "memory"):
                root = CGROUPS / controllers if controllers else CGROUPS
                own = root / path.strip("/")
                for folder in (own, *own.parents):
                    yield from _left_of(folder)
                    if folder == CGROUPS:
                        break


def _left_of(folder: Path) -> Iterator[int]:
    """What one control group leaves, if it has a limit; its file cache can be dropped and does not count."""
    for limit_file, usage_file in FILES:
        with suppress(OSError, ValueError):
            limit = (folder / limit_file).read_text().strip()
            if limit != "max":
                used = int((folder / usage_file).read_text())
                yield int(limit) - used + _file_cache(folder)


def _file_cache(folder: Path) -> int:
    with suppress(OSError, ValueError):
        found = re.search(r"^(?:total_)?inactive_file (\d+)$", (folder / "memory.stat").read_text(), re.MULTILINE)
        return int(found[1]) if found else 0
    return 0
