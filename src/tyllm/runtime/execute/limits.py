"""The most that this machine can do, measured by a package's C library with the instructions of its target."""

from __future__ import annotations

from collections.abc import Callable

from tyllm.package import Package
from tyllm.package.file_names import code_file
from tyllm.runtime.execute.binding import limit_function
from tyllm_base.errors import TyllmError

LIMITS = {
    "read": "B/s",
    "int8": "op/s",
    "float32": "op/s",
    "tile_int8": "op/s",
    "tile_bfloat16": "op/s",
}
"""Name → unit. A multiplication and an addition are two operations; tiles are those of AMX."""


def measure_limits(
    package: Package, threads: int, report: Callable[[str], object] = lambda name: None
) -> dict[str, float]:
    """Units per second by name, of those that the package's target has: the best of eight rounds of 10 ms or more.

    Args:
        package: whose library measures.
        threads: how many threads work at once; reading takes 256 MiB of memory for each.
        report: called with each name before it is measured.

    Raises:
        PackageError: the package was compiled before there were limits.
        TyllmError: the system refuses memory or threads.
    """
    found: dict[str, float] = {}
    with limit_function(package.files / code_file(0, package.buffers.shapes[0])) as limit:
        for name in LIMITS:
            report(name)
            value = limit(name.encode(), threads)
            if value < 0:
                raise TyllmError(f"The system refuses {threads} threads of 256 MiB each to measure with; give fewer.")
            if value:
                found[name] = value
    return found
