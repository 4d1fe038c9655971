"""This machine: processor, its instruction sets, memory, C compiler."""

import os
import platform
from dataclasses import dataclass
from pathlib import Path

from tyllm_base.machine import available_processes, c_compiler, cpu_flags, cpu_name

INSTRUCTION_SETS = {"avx2": "AVX2", "avx_vnni": "AVX-VNNI", "avx512f": "AVX-512", "avx512_vnni": "AVX-512 VNNI"}


@dataclass(frozen=True)
class Machine:
    """A machine as the runtime sees it.

    Attributes:
        system: operating system and architecture, such as "Linux x86_64".
        processor: the CPU's name.
        cores: logical cores that this process may use, within its CPU quota.
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
    flags, compiler = cpu_flags(), c_compiler()
    return Machine(
        system=f"{platform.system()} {platform.machine()}",
        processor=cpu_name() or platform.processor() or "unknown",
        cores=available_processes(),
        instruction_sets=tuple(title for flag, title in INSTRUCTION_SETS.items() if flag in flags),
        memory_bytes=os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        c_compiler=None if compiler is None else Path(compiler).name,
    )


def peak_memory() -> int | None:
    """The most bytes of memory that this process has had so far; None where the system does not tell."""
    try:
        import resource
    except ImportError:  # Windows
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if platform.system() == "Darwin" else peak * 1024
