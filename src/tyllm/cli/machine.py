"""What this machine is: processor, its instruction sets, memory, C compiler."""

import os
import platform
import re
import shutil
from dataclasses import dataclass
from pathlib import Path

INSTRUCTION_SETS = {"avx2": "AVX2", "avx_vnni": "AVX-VNNI", "avx512f": "AVX-512", "avx512_vnni": "AVX-512 VNNI"}


@dataclass(frozen=True)
class Machine:
    """A machine as the runtime sees it.

    Attributes:
        system: operating system and architecture, such as "Linux x86_64".
        processor: the CPU's name.
        cores: logical cores that this process may use.
        instruction_sets: those of `INSTRUCTION_SETS` that the CPU has.
        memory_bytes: memory of the machine.
        c_compiler: the command that compiles C; None if there is none.
    """

    system: str
    processor: str
    cores: int
    instruction_sets: tuple[str, ...]
    memory_bytes: int
    c_compiler: str | None


def this_machine() -> Machine:
    """Look at the machine that this process runs on."""
    from tyllm.package.cpu import cpu_flags

    flags = cpu_flags()
    return Machine(
        system=f"{platform.system()} {platform.machine()}",
        processor=_processor(),
        cores=len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1,
        instruction_sets=tuple(title for flag, title in INSTRUCTION_SETS.items() if flag in flags),
        memory_bytes=os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        c_compiler=c_compiler(),
    )


def _processor() -> str:
    """The CPU's name as the kernel gives it."""
    cpuinfo = Path("/proc/cpuinfo")
    text = cpuinfo.read_text(encoding="utf-8", errors="replace") if cpuinfo.exists() else ""
    name = re.search(r"^model name\s*:\s*(.+)$", text, re.MULTILINE)
    return name[1] if name else platform.processor() or "unknown"


def c_compiler() -> str | None:
    """The C compiler that `tyllm compile` would call: the first of cc, gcc, clang."""
    return next((name for name in ("cc", "gcc", "clang") if shutil.which(name)), None)


def peak_memory() -> int | None:
    """The most bytes of memory that this process has had so far; None where the system does not tell."""
    try:
        import resource
    except ImportError:  # Windows
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if platform.system() == "Darwin" else peak * 1024
