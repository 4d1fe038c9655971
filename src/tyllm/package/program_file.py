"""program.json: the steps of every program with their costs, which `tyllm inspect` and `tyllm bench` count.

Running needs nothing of it. {format_version, dies: [{die, programs: {sequence length: {body, head, buffers}}}]}: body
and head are lists of steps, `buffers` has place, offset and bytes of every buffer that a step names. The programs of
batches are in `batches`, by size; those of a vision-language model's modules, by name, under `visual` and `rope`.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib.resources.abc import Traversable
from typing import Annotated

from msgspec import Meta, field

from tyllm.package.compiled_module import ProgramName
from tyllm.package.field_types import BatchSize, BufferName, Bytes, Die, Record, SeqLen, Text, one_of
from tyllm.package.file_names import PROGRAM
from tyllm.package.json_file import checked, read_json
from tyllm.package.step_shape import StepShape, step_shapes

Work = Annotated[int, Meta(ge=0, lt=1 << 62)]
Names = tuple[BufferName, ...]


class StepCost(Record, frozen=True):
    """Multiplications and additions by the type of the factors, and bytes from and to all buffers."""

    operations: Mapping[Text, Work]
    bytes_read: Work
    bytes_written: Work


class ProgramStep(Record, frozen=True):
    """One call of a kernel.

    Attributes:
        kernel: its name.
        reads: names of the buffers that it reads.
        writes: names of those that it writes.
        barrier_before: whether the threads of all dies wait for each other before it.
        cost: its work.
    """

    kernel: BufferName
    reads: Names
    writes: Names
    barrier_before: bool
    cost: StepCost


class BufferPlace(Record, frozen=True):
    """Where a buffer lies: in which memory, at which byte, and how many bytes it has."""

    place: Annotated[str, one_of("arena", "io", "kv", "params", "constants")]
    offset: Bytes
    bytes: Bytes


class ProgramSteps(Record, frozen=True):
    """The steps of one die's program for one shape of step.

    Attributes:
        body: run for every chunk of a prompt and for every token.
        head: run where logits are wanted.
        buffers: what the steps name.
    """

    body: tuple[ProgramStep, ...]
    head: tuple[ProgramStep, ...]
    buffers: Mapping[BufferName, BufferPlace]

    def parameter_bytes(self, name: str) -> int:
        """Bytes of a buffer that lies in the die's .params file; 0 for any other."""
        found = self.buffers.get(name)
        return found.bytes if found and found.place == "params" else 0


class _Die(Record, frozen=True, omit_defaults=True):
    die: Die
    programs: Mapping[SeqLen, ProgramSteps]
    batches: Mapping[BatchSize, ProgramSteps] = field(default_factory=dict)

    def by_shape(self) -> dict[StepShape, ProgramSteps]:
        shapes = step_shapes(self.programs, self.batches)
        return dict(zip(shapes, [*self.programs.values(), *self.batches.values()], strict=True))


class _ModuleDie(Record, frozen=True):
    die: Die
    programs: Mapping[ProgramName, ProgramSteps]


class _ProgramFile(Record, frozen=True, omit_defaults=True):
    format_version: Annotated[int, Meta(ge=1, le=1)]
    dies: tuple[_Die, ...]
    visual: tuple[_ModuleDie, ...] = ()
    rope: tuple[_ModuleDie, ...] = ()


def read_program_file(folder: Traversable) -> dict[int, Mapping[StepShape, ProgramSteps]]:
    """The programs of the package in `folder`: die → shape → steps; raises `PackageError`."""
    path = folder / PROGRAM
    return {die.die: die.by_shape() for die in checked(read_json(path), path, _ProgramFile).dies}
