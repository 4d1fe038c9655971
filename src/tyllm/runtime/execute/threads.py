"""The number of worker threads of each die."""

from __future__ import annotations

from tyllm_base.errors import SettingError
from tyllm_base.machine import available_threads
from tyllm_base.option_checks import is_whole, shown


def workers_per_die(threads: int | None, dies: int) -> int:
    """Threads divided over the dies, at least 1 each; raises `SettingError`.

    Args:
        threads: threads in all; None for `available_threads()`.
        dies: the package's number of dies.
    """
    if threads is None:
        threads = available_threads()
    if not is_whole(threads) or threads < 1:
        raise SettingError(f"{shown(threads)} threads cannot run anything; give a whole number, 1 or more.")
    return max(1, int(threads) // dies)
