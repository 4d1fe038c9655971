"""Whether code that was compiled for a target may run on this machine's CPU."""

from __future__ import annotations

import platform
import re
from pathlib import Path

from tyllm.package.manifest import Target
from tyllm_base.errors import PackageError
from tyllm_base.machine import cpu_flags


def _plain(flag: str) -> str:
    """LLVM writes avx512vnni and sse4.2 where the kernel writes avx512_vnni and sse4_2."""
    return re.sub(r"[._-]", "", flag.lower())


def check_cpu(folder: Path, target: Target) -> None:
    """Raise `PackageError` unless this machine runs code for `target`."""
    machine = platform.machine()
    if target.machine != machine:
        raise PackageError(
            f"{folder} was compiled for {target.machine}, this machine is {machine}; compile the model for it."
        )
    have = {_plain(flag) for flag in cpu_flags()}
    missing = [flag for flag in target.features if _plain(flag) not in have]
    if missing:
        raise PackageError(
            f"{folder} was compiled for a CPU with {', '.join(missing)}, which this one lacks; compile the model "
            "on this machine, or for a plainer one (--target)."
        )
