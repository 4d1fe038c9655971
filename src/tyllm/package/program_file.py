"""program.json: the steps of every program with their costs, which `tyllm inspect` and `tyllm bench` count.

Running needs nothing of it. {format_version, dies: [{die, programs: {sequence length: {body, head, buffers}}}]}: body
and head are lists of steps, `buffers` has place, offset and bytes of every buffer that a step names.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources.abc import Traversable
from typing import Any

from tyllm.package.file_names import PROGRAM
from tyllm.package.json_file import fields_of, read_json


@dataclass(frozen=True)
class ProgramStep:
    """One call of a kernel.

    Attributes:
        kernel: its name.
        reads: names of the buffers that it reads.
        barrier_before: whether the threads of all dies wait for each other before it.
        operations: multiplications and additions by the type of the factors.
        bytes_read: from all buffers.
        bytes_written: to all buffers.
    """

    kernel: str
    reads: tuple[str, ...]
    barrier_before: bool
    operations: Mapping[str, int]
    bytes_read: int
    bytes_written: int

    @classmethod
    def from_json(cls, raw: Mapping[str, Any]) -> ProgramStep:
        """A step as program.json has it; raises `KeyError`, `TypeError` or `ValueError` where it is damaged."""
        cost = raw["cost"]
        return cls(
            str(raw["kernel"]),
            tuple(raw["reads"]),
            bool(raw["barrier_before"]),
            dict(cost["operations"]),
            int(cost["bytes_read"]),
            int(cost["bytes_written"]),
        )


@dataclass(frozen=True)
class ProgramSteps:
    """The steps of one die's program for one sequence length.

    Attributes:
        body: run for every chunk of a prompt and for every token.
        head: run where logits are wanted.
        parameter_bytes: sizes of the buffers that lie in the die's .params file, by name.
    """

    body: tuple[ProgramStep, ...]
    head: tuple[ProgramStep, ...]
    parameter_bytes: Mapping[str, int]

    @classmethod
    def from_json(cls, raw: Mapping[str, Any]) -> ProgramSteps:
        """A program as program.json has it; raises as `ProgramStep.from_json`."""
        body, head = (tuple(map(ProgramStep.from_json, raw[part])) for part in ("body", "head"))
        buffers = raw["buffers"].items()
        return cls(body, head, {name: int(each["bytes"]) for name, each in buffers if each["place"] == "params"})


def read_program_file(folder: Traversable) -> dict[int, dict[int, ProgramSteps]]:
    """The programs of the package in `folder`: die → sequence length → steps; raises `PackageError`."""
    path = folder / PROGRAM
    raw = read_json(path)
    with fields_of(path):
        return {
            int(die["die"]): {int(length): ProgramSteps.from_json(own) for length, own in die["programs"].items()}
            for die in raw["dies"]
        }
