"""A compiled module: programs that take named arrays and give named arrays, by die, as its two JSON files describe it.

The vision tower is one (a program for each size of image), so are the rotary positions and what `torch_edgex` makes.
aot_config.json says how its files and programs are called, buffer_config.json where all lies in memory. All dies take
the same inputs; the outputs are die 0's.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Annotated, NoReturn

from msgspec import Meta

from tyllm.package.field_types import (
    FORMAT_VERSION,
    MOST_DIES,
    BufferName,
    Bytes,
    Die,
    IoEntry,
    Offset,
    Record,
    Symbol,
    Version,
)
from tyllm.package.file_names import BUFFER_CONFIG
from tyllm.package.json_file import content_of, parsed, write_json
from tyllm_base.errors import PackageError

AOT_CONFIG = "aot_config.json"
DieFile = Annotated[str, Meta(pattern=r"^[A-Za-z0-9_]{1,64}(\{die\})?\.(so|params)\Z")]
ProgramName = Annotated[str, Meta(pattern=r"^[A-Za-z0-9_]{1,200}\Z")]
Names = Annotated[tuple[BufferName, ...], Meta(max_length=100_000)]


class ModuleProgram(Record, frozen=True):
    """A program: its name, the exported symbol of its function, and the names of its inputs and outputs, in order."""

    name: ProgramName
    export: Symbol
    inputs: Names
    outputs: Names


class ModuleMemory(Record, frozen=True):
    """Memory of one die for one program; constants begin `constants_offset` bytes into the data of the die's params."""

    arena_bytes: Bytes
    io_bytes: Bytes
    constants_offset: Offset
    io: Annotated[Mapping[BufferName, IoEntry], Meta(max_length=100_000)]


class AotConfig(Record, frozen=True):
    """The fields of aot_config.json."""

    format_version: Version
    code: DieFile
    params: DieFile
    programs: Annotated[tuple[ModuleProgram, ...], Meta(min_length=1, max_length=10_000)]


class ModuleDie(Record, frozen=True):
    """A die in a module's buffer_config.json."""

    die: Die
    programs: Annotated[Mapping[ProgramName, ModuleMemory], Meta(max_length=10_000)]


class ModuleBuffers(Record, frozen=True):
    """The fields of a module's buffer_config.json."""

    format_version: Version
    dies: Annotated[tuple[ModuleDie, ...], Meta(min_length=1, max_length=MOST_DIES)]


@dataclass(frozen=True)
class ModuleConfig:
    """A compiled module.

    Attributes:
        code: file of a die's programs, with "{die}" in the place of its number.
        params: file of a die's weights and constants, likewise.
        programs: in order.
        dies: for each die the memories of each program, by name.
    """

    code: str
    params: str
    programs: tuple[ModuleProgram, ...]
    dies: tuple[Mapping[str, ModuleMemory], ...]

    @classmethod
    def read(cls, folder: Traversable) -> ModuleConfig:
        """The module in `folder`; raises `PackageError`."""
        return cls.parse(content_of(folder / AOT_CONFIG), content_of(folder / BUFFER_CONFIG), folder)

    @classmethod
    def parse(cls, aot: bytes, buffers: bytes, folder: Traversable) -> ModuleConfig:
        """The module that the bytes of two files in `folder` say; raises `PackageError`."""
        path = folder / AOT_CONFIG
        return cls.of(path, parsed(aot, path, AotConfig), parsed(buffers, folder / BUFFER_CONFIG, ModuleBuffers))

    @classmethod
    def of(cls, path: Traversable, aot: AotConfig, buffers: ModuleBuffers) -> ModuleConfig:
        """The module that two JSON values describe; raises `PackageError`, which names `path`."""
        for number, each in enumerate(buffers.dies):
            if each.die != number:
                _contradiction(path, f"die {each.die} stands in the place of die {number}")
        module = cls(aot.code, aot.params, aot.programs, tuple(die.programs for die in buffers.dies))
        module._check(path)
        return module

    def write_module_config(self, folder: Path) -> None:
        """Write the two JSON files."""
        aot, buffers = self.to_json()
        write_json(folder / AOT_CONFIG, aot)
        write_json(folder / BUFFER_CONFIG, buffers)

    def to_json(self) -> tuple[AotConfig, ModuleBuffers]:
        """The values of aot_config.json and of buffer_config.json."""
        dies = tuple(ModuleDie(die, own) for die, own in enumerate(self.dies))
        return AotConfig(FORMAT_VERSION, self.code, self.params, self.programs), ModuleBuffers(FORMAT_VERSION, dies)

    def program_named(self, name: str) -> ModuleProgram:
        """The program of that name; raises `StopIteration` where there is none."""
        return next(program for program in self.programs if program.name == name)

    def _check(self, path: Traversable) -> None:
        """Nothing may lie outside its region or be missing from it: the runtime makes views from these numbers."""
        names = [program.name for program in self.programs]
        if len(set(names)) != len(names) or len({each.export for each in self.programs}) != len(names):
            _contradiction(path, "two programs have one name")
        for die, own in enumerate(self.dies):
            if list(own) != names:
                _contradiction(path, f"die {die} has other programs")
            for program in self.programs:
                memories = own[program.name]
                missing = {*program.inputs, *program.outputs} - memories.io.keys()
                outside = [n for n, e in memories.io.items() if e.offset + e.nbytes > memories.io_bytes]
                if missing or outside:
                    wrong = ", ".join([*sorted(missing), *outside])
                    _contradiction(
                        path, f"{wrong} of {program.name} does not lie in the {memories.io_bytes} bytes of io"
                    )
                for name in program.inputs:
                    first, other = self.dies[0][program.name].io[name], memories.io[name]
                    if (first.shape, first.dtype) != (other.shape, other.dtype):
                        _contradiction(path, f"die {die} takes another {name} of {program.name} than die 0")


def _contradiction(path: Traversable, what: str) -> NoReturn:
    raise PackageError(f"{path} contradicts itself: {what}; compile again.")
