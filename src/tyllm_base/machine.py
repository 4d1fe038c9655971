"""Facts about this machine: the flags of its CPU, the cores and threads that this process may use, its C compiler.

Only the standard library is imported, so that the compiler and the runtime ask the same functions.
"""

from __future__ import annotations

import math
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

CPUINFO = Path("/proc/cpuinfo")
FLAG_LINES = re.compile(r"^(?:flags|Features)\s*:(.*)$", re.MULTILINE)  # x86; aarch64
ISA_LINES = re.compile(r"^isa\s*:\s*rv\d+([a-z]+)(\S*)$", re.MULTILINE)  # riscv: rv64imafdcv_zba_zbb
TOPOLOGY = Path("/sys/devices/system/cpu")
CGROUPS = Path("/sys/fs/cgroup")
OWN_CGROUP = Path("/proc/self/cgroup")
C_COMPILERS = ("cc", "gcc", "clang")


def cpu_flags(cpuinfo: Path | None = None) -> frozenset[str]:
    """The flags that all processors have, as the kernel spells them; empty where it does not say.

    Args:
        cpuinfo: a file in the form of Linux's /proc/cpuinfo; None for that file itself.
    """
    text = _text(cpuinfo or CPUINFO)
    flags = [frozenset(line.split()) for line in FLAG_LINES.findall(text)]
    flags += [frozenset(letters) | frozenset(rest.strip("_").split("_")) for letters, rest in ISA_LINES.findall(text)]
    return frozenset.intersection(*flags) if flags else frozenset()


def cpu_name() -> str | None:
    """The CPU's name as the kernel gives it; None where it gives none."""
    found = re.search(r"^model name\s*:\s*(.+)$", _text(CPUINFO), re.MULTILINE)
    return found[1] if found else None


def _text(path: Path) -> str:
    """The text of one of the kernel's files; "" where it cannot be read."""
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def logical_cores() -> list[int]:
    """The CPU numbers in the affinity mask of this process, hardware threads of one core counted apart."""
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return list(range(os.cpu_count() or 1))


def physical_cores() -> list[int]:
    """One CPU number for each core within the affinity mask of this process."""
    first_of: dict[str, int] = {}
    for cpu in logical_cores():
        first_of.setdefault(_siblings(cpu), cpu)
    return list(first_of.values())


def _siblings(cpu: int) -> str:
    """The hardware threads that share a core with `cpu`, as the kernel lists them; `cpu` itself where it does not."""
    return _text(TOPOLOGY / f"cpu{cpu}" / "topology" / "thread_siblings_list").strip() or str(cpu)


def cpu_quota() -> float:
    """How many CPUs' time this process may take: the least of its control groups' limits (cgroup v1, v2), or ∞."""
    return min(_quotas(), default=math.inf)


def _quotas() -> Iterator[float]:
    """The limits, in CPUs, of this process's control groups and their parents."""
    for line in _text(OWN_CGROUP).splitlines():
        _, controllers, path = line.split(":", 2)
        root = CGROUPS / controllers if controllers else CGROUPS
        for folder in [root / path.strip("/"), *(root / path.strip("/")).parents]:
            yield from _quota(folder)
            if folder == CGROUPS:
                break


def _quota(folder: Path) -> Iterator[float]:
    """The limit of one control group, if it has one."""
    try:
        if (folder / "cpu.max").is_file():
            quota, period = (folder / "cpu.max").read_text().split()
        else:
            quota = (folder / "cpu.cfs_quota_us").read_text()
            period = (folder / "cpu.cfs_period_us").read_text()
        if quota != "max" and int(quota) > 0:
            yield int(quota) / int(period)
    except (OSError, ValueError):
        return


def available_threads() -> int:
    """How many threads that compute all the time are of use: physical cores, or the CPU quota if less; at least 1."""
    return max(1, int(min(len(physical_cores()), cpu_quota())))


def available_processes() -> int:
    """How many processes that compile or pack side by side are of use: logical cores, or the quota; at least 1."""
    return max(1, int(min(len(logical_cores()), cpu_quota())))


def c_compiler() -> str | None:
    """The path of this machine's C compiler, the first of `C_COMPILERS` that there is; None where there is none."""
    return next(filter(None, map(shutil.which, C_COMPILERS)), None)
