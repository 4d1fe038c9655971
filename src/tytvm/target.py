"""Targets: the instruction sets that code is generated for, by name or as found on this machine."""

from __future__ import annotations

import platform
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tyllm_base.errors import SettingError
from tyllm_base.machine import cpu_flags

if TYPE_CHECKING:
    from tvm.target import Target

_X86_V2_FLAGS = ("cx16", "lahf_lm", "pni", "popcnt", "sse4_1", "sse4_2", "ssse3")
_X86_V3_FLAGS = (*_X86_V2_FLAGS, "abm", "avx", "avx2", "bmi1", "bmi2", "f16c", "fma", "movbe")
_X86_V4_FLAGS = (*_X86_V3_FLAGS, "avx512bw", "avx512cd", "avx512dq", "avx512f", "avx512vl")


@dataclass(frozen=True)
class InstructionSet:
    """One CPU to compile for.

    Attributes:
        name: What the user writes and the manifest shows.
        machine: The architecture as `platform.machine()` spells it.
        cpu: LLVM's name of the CPU.
        features: LLVM features beyond those of `cpu`, such as "+avx512vnni".
        flags: The CPU flags that code for this target needs, as /proc/cpuinfo spells them.
        vector_bytes: Size of a vector register.
        vector_registers: Number of vector registers.
        int8_product: The instruction for products of bytes: vpdpbusd adds four u8 · i8 to an int32, vpmaddubsw makes
            int16 sums of two, pmaddwd int32 sums of two int16 · int16; "" where none is known.
        has_tiles: Whether AMX multiplies tiles of 16 rows of 64 bytes, of int8 and of bfloat16.
        abi: LLVM's name of the calling convention, where the triple alone does not say it.
    """

    name: str
    machine: str
    cpu: str
    features: tuple[str, ...] = ()
    flags: tuple[str, ...] = field(default=(), repr=False)
    vector_bytes: int = 16
    vector_registers: int = 16
    int8_product: str = ""
    has_tiles: bool = False
    abi: str | None = None

    @property
    def triple(self) -> str:
        """LLVM's target triple."""
        return f"{self.machine}-linux-gnu"

    @property
    def lanes(self) -> int:
        """How many 32-bit lanes a vector register has."""
        return self.vector_bytes // 4

    @property
    def accumulators(self) -> int:
        """The number of accumulators of 16 lanes that fit the registers, a quarter of them left for operands."""
        return max(1, self.vector_registers * self.vector_bytes // 64 * 3 // 4)

    def tvm_target(self) -> Target:
        """The `tvm.target.Target` to build with."""
        from tvm.target import Target

        config: dict[str, Any] = {"kind": "llvm", "mtriple": self.triple, "mcpu": self.cpu}
        if self.features:
            config["mattr"] = list(self.features)
        if self.abi:
            config["mabi"] = self.abi
        return Target(config)


# The best one first: `native` takes the first that the machine can run.
INSTRUCTION_SETS = (
    InstructionSet(
        name="x86-64-avx512-amx",
        machine="x86_64",
        cpu="x86-64-v4",
        features=("+avx512vnni", "+avx512bf16", "+amx-tile", "+amx-bf16", "+amx-int8"),
        flags=(*_X86_V4_FLAGS, "avx512_vnni", "avx512_bf16", "amx_tile", "amx_bf16", "amx_int8"),
        vector_bytes=64,
        vector_registers=32,
        int8_product="vpdpbusd",
        has_tiles=True,
    ),
    InstructionSet(
        name="x86-64-avx512-vnni",
        machine="x86_64",
        cpu="x86-64-v4",
        features=("+avx512vnni",),
        flags=(*_X86_V4_FLAGS, "avx512_vnni"),
        vector_bytes=64,
        vector_registers=32,
        int8_product="vpdpbusd",
    ),
    InstructionSet(
        name="x86-64-avx-vnni",
        machine="x86_64",
        cpu="x86-64-v3",
        features=("+avxvnni",),
        flags=(*_X86_V3_FLAGS, "avx_vnni"),
        vector_bytes=32,
        int8_product="vpdpbusd",
    ),
    InstructionSet(
        name="x86-64-v3",
        machine="x86_64",
        cpu="x86-64-v3",
        flags=_X86_V3_FLAGS,
        vector_bytes=32,
        int8_product="vpmaddubsw",
    ),
    InstructionSet(name="x86-64", machine="x86_64", cpu="x86-64", int8_product="pmaddwd"),
    InstructionSet(name="aarch64", machine="aarch64", cpu="generic", flags=("asimd", "fp"), vector_registers=32),
    InstructionSet(
        name="riscv64", machine="riscv64", cpu="generic-rv64", features=("+m", "+a", "+f", "+d", "+c"), abi="lp64d"
    ),
)


def resolve(name: str) -> InstructionSet:
    """The instruction set called `name`; "native" is the best that this machine can run.

    Raises:
        SettingError: No instruction set has this name, or none suits this machine.
    """
    if name == "native":
        return native()
    for candidate in INSTRUCTION_SETS:
        if candidate.name == name:
            return candidate
    known = ", ".join(["native", *(candidate.name for candidate in INSTRUCTION_SETS)])
    raise SettingError(f"There is no target {name!r}: use one of {known}.")


def native() -> InstructionSet:
    """The best instruction set that this machine can run.

    Raises:
        SettingError: None suits this machine.
    """
    return best_for(platform.machine(), cpu_flags())


def best_for(machine: str, flags: frozenset[str]) -> InstructionSet:
    """The best instruction set for an architecture and the flags of its CPU.

    Raises:
        SettingError: None suits.
    """
    for candidate in INSTRUCTION_SETS:
        if candidate.machine == machine and flags.issuperset(candidate.flags):
            return candidate
    known = ", ".join(sorted({candidate.machine for candidate in INSTRUCTION_SETS}))
    raise SettingError(f"This machine is a {machine!r} with an unknown CPU: name a target, one of {known}.")
