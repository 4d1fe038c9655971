"""What one run of a package's programs does: bytes of weights read, products with weights; from program.json."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from tyllm.package import Package
from tyllm.package.file_names import PROGRAM
from tyllm.package.json_file import fields_of, read_json

JsonObject = Mapping[str, Any]
FEWEST_PRODUCTS = 16
"""Operations per byte written from which on a step that reads parameters multiplies by them: 32 inputs, float32 sums.

A norm reads a parameter too, and does up to 8. A kernel's name says nothing here: a layer that one kernel does together
with its gate or its activation counts like one that is alone, on every instruction set and of every package.
"""


@dataclass(frozen=True)
class ProgramCost:
    """The programs of all dies, as program.json describes them: for each die, sequence length → program."""

    dies: tuple[JsonObject, ...]

    @classmethod
    def of(cls, package: Package) -> ProgramCost:
        """Read program.json; raises `PackageError`."""
        path = package.folder / PROGRAM
        raw = read_json(path)
        with fields_of(path):
            return cls(tuple(die["programs"] for die in raw["dies"]))

    def weight_bytes(self, seq_len: int) -> int:
        """Bytes of weights that all dies read in one run of body and head."""
        return sum(
            _weight_bytes(program, step)
            for program in self._programs(seq_len)
            for part in ("body", "head")
            for step in program[part]
        )

    def products(self, seq_len: int, part: str) -> Counter[str]:
        """Multiplications and additions with weights by type of the factors, of one run of "body" or "head"."""
        total: Counter[str] = Counter()
        for program in self._programs(seq_len):
            for step in program[part]:
                total += _products(program, step)
        return total

    def _programs(self, seq_len: int) -> Iterator[JsonObject]:
        return (die[str(seq_len)] for die in self.dies)


def _parameter_bytes(program: JsonObject, step: JsonObject) -> int:
    """Bytes of the whole parameters that a step reads, or reads some rows of."""
    buffers = program["buffers"]
    return sum(buffers[name]["bytes"] for name in step["reads"] if buffers[name]["place"] == "params")


def _weight_bytes(program: JsonObject, step: JsonObject) -> int:
    """Bytes of the parameters that a step reads: an embedding's rows, of a linear layer all."""
    return min(_parameter_bytes(program, step), int(step["cost"]["bytes_read"]))


def _products(program: JsonObject, step: JsonObject) -> Counter[str]:
    """A step's products with weights: of its operations those of the most frequent type; the rest is scaling."""
    cost = step["cost"]
    operations: Mapping[str, int] = cost["operations"]
    if not operations or not _parameter_bytes(program, step):
        return Counter()
    kind = max(operations, key=lambda name: operations[name])
    is_product = operations[kind] >= FEWEST_PRODUCTS * cost["bytes_written"]
    return Counter({kind: operations[kind]}) if is_product else Counter()
