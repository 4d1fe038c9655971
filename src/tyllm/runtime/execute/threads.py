"""The number of worker threads of each die."""

from __future__ import annotations

from tyllm_base.errors import SettingError
from tyllm_base.machine import available_threads


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
