"""How many worker threads to start: physical cores that this process may use, within its share of CPU time."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from pathlib import Path

from tyllm_errors import SettingError

TOPOLOGY = Path("/sys/devices/system/cpu")
CGROUPS = Path("/sys/fs/cgroup")
OWN_CGROUP = Path("/proc/self/cgroup")


def _siblings(cpu: int, topology: Path) -> str:
    """The hardware threads that share a core with `cpu`, as the kernel lists them; `cpu` itself where it does not."""
    try:
        return (topology / f"cpu{cpu}" / "topology" / "thread_siblings_list").read_text().strip()
    except OSError:
        return str(cpu)


def physical_cores(topology: Path = TOPOLOGY) -> list[int]:
    """One CPU number for each core within the affinity mask of this process."""
    first_of: dict[str, int] = {}
    for cpu in sorted(os.sched_getaffinity(0)):
        first_of.setdefault(_siblings(cpu, topology), cpu)
    return list(first_of.values())


def _quotas(cgroups: Path, own: Path) -> Iterator[float]:
    """The limits, in CPUs, of this process's control groups and their parents (cgroup v2 and v1)."""
    try:
        lines = own.read_text().splitlines()
    except OSError:
        return
    for line in lines:
        _, controllers, path = line.split(":", 2)
        root = cgroups / controllers if controllers else cgroups
        for folder in [root / path.strip("/"), *(root / path.strip("/")).parents]:
            yield from _quota(folder)
            if folder == cgroups:
                break


def _quota(folder: Path) -> Iterator[float]:
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


def available_threads(topology: Path = TOPOLOGY, cgroups: Path = CGROUPS, own: Path = OWN_CGROUP) -> int:
    """Physical cores in the affinity mask, or the CPU quota where that is less; at least 1."""
    quota = min(_quotas(cgroups, own), default=math.inf)
    return max(1, int(min(len(physical_cores(topology)), quota)))


def workers_per_die(threads: int | None, dies: int) -> int:
    """Threads divided over the dies, at least 1 each; raises `SettingError`.

    Args:
        threads: threads in all; None for `available_threads()`.
        dies: the package's number of dies.
    """
    if threads is None:
        threads = available_threads()
    if not isinstance(threads, int) or threads < 1:
        raise SettingError(f"{threads} threads cannot run anything; give 1 or more.")
    return max(1, threads // dies)
