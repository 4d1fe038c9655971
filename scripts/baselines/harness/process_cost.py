"""Cost of this process so far; drivers import this in any environment, so it needs the standard library alone."""

import re
import resource
from pathlib import Path


def peak_rss() -> int:
    """Most bytes that this process has had in memory (VmHWM); getrusage would count the parent's, from before exec."""
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    return int(re.search(r"VmHWM:\s*(\d+) kB", status)[1]) * 1024


def cpu_seconds() -> float:
    """User and system seconds of this process and of its finished children."""
    used = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in used)
