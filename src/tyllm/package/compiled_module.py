"""A compiled module: programs that take named arrays and give named arrays, by die, as its two JSON files describe it.

The vision tower is one (a program for each size of image), so are the rotary positions and what `torch_edgex` makes.
aot_config.json: {format_version, code, params: file names with {die} in the place of its number, programs: [{name,
export, inputs, outputs}]}. buffer_config.json: {format_version, dies: [{die, programs: {name: {arena_bytes, io_bytes,
constants_offset, io: {name: {offset, shape, dtype}}}}}]}. All dies take the same inputs; the outputs are die 0's.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

from tyllm.package.buffer_config import IoEntry
from tyllm.package.file_names import BUFFER_CONFIG
from tyllm.package.json_file import fields_of, read_json, write_json
from tyllm.package.manifest import FORMAT_VERSION
from tyllm_base.errors import PackageError

AOT_CONFIG = "aot_config.json"


@dataclass(frozen=True)
class ModuleProgram:
    """A program: its name, the exported symbol of its function, and the names of its inputs and outputs, in order."""

    name: str
    export: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]


@dataclass(frozen=True)
class ModuleMemory:
    """Memory of one die for one program; constants begin `constants_offset` bytes into the data of the die's params."""

    arena_bytes: int
    io_bytes: int
    constants_offset: int
    io: Mapping[str, IoEntry]


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
        aot, buffers = read_json(folder / AOT_CONFIG), read_json(folder / BUFFER_CONFIG)
        return cls.from_json(folder / AOT_CONFIG, aot, buffers)

    def write_module_config(self, folder: Path) -> None:
        """Write the two JSON files."""
        aot, buffers = self.to_json()
        write_json(folder / AOT_CONFIG, aot)
        write_json(folder / BUFFER_CONFIG, buffers)

    def to_json(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """The values of aot_config.json and of buffer_config.json."""
        aot = {"code": self.code, "params": self.params, "programs": [asdict(program) for program in self.programs]}
        dies = [
            {"die": die, "programs": {name: asdict(each) for name, each in own.items()}}
            for die, own in enumerate(self.dies)
        ]
        version = {"format_version": FORMAT_VERSION}
        return version | aot, version | {"dies": dies}

    @classmethod
    def from_json(cls, path: Traversable, aot: Mapping[str, Any], buffers: Mapping[str, Any]) -> ModuleConfig:
        """The module that two JSON values describe; raises `PackageError`, which names `path`."""
        with fields_of(path):
            programs = tuple(
                ModuleProgram(p["name"], p["export"], tuple(p["inputs"]), tuple(p["outputs"])) for p in aot["programs"]
            )
            dies = tuple({name: _memories(own) for name, own in die["programs"].items()} for die in buffers["dies"])
            module = cls(aot["code"], aot["params"], programs, dies)
        module._check(path)
        return module

    def program_named(self, name: str) -> ModuleProgram:
        """The program of that name; raises `StopIteration` where there is none."""
        return next(program for program in self.programs if program.name == name)

    def _check(self, path: Traversable) -> None:
        """Nothing may lie outside its region or be missing from it: the runtime makes views from these numbers."""
        for die, own in enumerate(self.dies):
            if list(own) != [program.name for program in self.programs]:
                raise PackageError(f"{path} contradicts itself: die {die} has other programs; compile again.")
            for program in self.programs:
                memories = own[program.name]
                missing = {*program.inputs, *program.outputs} - memories.io.keys()
                outside = [n for n, e in memories.io.items() if not 0 <= e.offset <= memories.io_bytes - e.nbytes]
                if missing or outside:
                    raise PackageError(
                        f"{path} contradicts itself: {', '.join([*sorted(missing), *outside])} of {program.name} does "
                        f"not lie in the {memories.io_bytes} bytes of io; compile again."
                    )


def _memories(raw: Mapping[str, Any]) -> ModuleMemory:
    io = {name: IoEntry(int(e["offset"]), tuple(e["shape"]), str(e["dtype"])) for name, e in raw["io"].items()}
    return ModuleMemory(int(raw["arena_bytes"]), int(raw["io_bytes"]), int(raw["constants_offset"]), io)
