"""The work of one run of a package's programs: bytes of weights read, products with weights; from program.json."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from tyllm.package import Package
from tyllm.package.file_names import BUFFER_CONFIG, PROGRAM
from tyllm.package.program_file import ProgramStep, ProgramSteps, read_program_file
from tyllm.package.step_shape import StepShape
from tyllm_base.errors import PackageError

FEWEST_PRODUCTS = 16
"""Operations per byte written from which on a step that reads parameters multiplies by them: 32 inputs, float32 sums.

A norm reads a parameter too, and does up to 8. A kernel's name says nothing here: a layer that one kernel does together
with its gate or its activation counts like one that is alone, on every instruction set and of every package.
"""


@dataclass(frozen=True)
class ProgramCost:
    """The programs of all dies, as program.json describes them: for each die, shape → program."""

    dies: tuple[Mapping[StepShape, ProgramSteps], ...]

    @classmethod
    def of(cls, package: Package) -> ProgramCost:
        """Read program.json; raises `PackageError`."""
        dies = read_program_file(package.files)
        for die in package.buffers.dies:
            if sorted(dies.get(die.die, ())) != sorted(package.buffers.shapes) or len(dies) != len(
                package.buffers.dies
            ):
                raise PackageError(
                    f"{package.folder} contradicts itself: {PROGRAM} has other programs of die {die.die} than "
                    f"{BUFFER_CONFIG}; compile the model again."
                )
        return cls(tuple(dies[die.die] for die in package.buffers.dies))

    def weight_bytes(self, shape: StepShape) -> int:
        """Bytes of weights that all dies read in one run of body and head."""
        return sum(
            _weight_bytes(program, step) for program in self._programs(shape) for step in (*program.body, *program.head)
        )

    def products(self, shape: StepShape, part: str) -> Counter[str]:
        """Multiplications and additions with weights by type of the factors, of one run of "body" or "head"."""
        total: Counter[str] = Counter()
        for program in self._programs(shape):
            for step in program.head if part == "head" else program.body:
                total += _products(program, step)
        return total

    def _programs(self, shape: StepShape) -> Iterator[ProgramSteps]:
        return (die[shape] for die in self.dies)


def _parameter_bytes(program: ProgramSteps, step: ProgramStep) -> int:
    """Bytes of the whole parameters that a step reads, or reads some rows of."""
    return sum(map(program.parameter_bytes, step.reads))


def _weight_bytes(program: ProgramSteps, step: ProgramStep) -> int:
    """Bytes of the parameters that a step reads: an embedding's rows, of a linear layer all."""
    return min(_parameter_bytes(program, step), step.cost.bytes_read)


def _products(program: ProgramSteps, step: ProgramStep) -> Counter[str]:
    """A step's products with weights: of its operations those of the most frequent type; the rest is scaling."""
    if not step.cost.operations or not _parameter_bytes(program, step):
        return Counter()
    kind = max(step.cost.operations, key=lambda name: step.cost.operations[name])
    is_product = step.cost.operations[kind] >= FEWEST_PRODUCTS * step.cost.bytes_written
    return Counter({kind: step.cost.operations[kind]}) if is_product else Counter()
