"""What a package has to do at least: bytes read for a token, operations of the linear layers for a prompt."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from tyllm.package import Package
from tyllm.package.file_names import PROGRAM
from tyllm.package.json_file import fields_of, read_json
from tyllm.runtime.cache.chunks import cover

JsonObject = Mapping[str, Any]
LINEAR = "linear"  # what the names of the kernels of linear layers begin with


@dataclass(frozen=True)
class Work:
    """The programs of a package as program.json describes them, of all dies."""

    package: Package
    dies: tuple[JsonObject, ...]

    @classmethod
    def of(cls, package: Package) -> Work:
        """Read program.json; raises `PackageError`."""
        path = package.folder / PROGRAM
        raw = read_json(path)
        with fields_of(path):
            return cls(package, tuple(die["programs"] for die in raw["dies"]))

    def bytes_of_a_token(self, context: float) -> float:
        """What decoding a token reads: its weights, and the cache's rows of `context` tokens."""
        (chunk,) = cover(1, self.package.buffers.seq_lens, self.package.buffers.kv_capacity)
        programs = [die[str(chunk.seq_len)] for die in self.dies]
        weights: int = sum(_weight_bytes(program, step) for program in programs for step in _steps(program))
        cache = sum(die.kv_bytes for die in self.package.buffers.dies) / self.package.buffers.kv_capacity
        return weights + cache * context

    def operations_of_a_prompt(self, tokens: int, depth: int) -> dict[str, int]:
        """Multiplications and additions of the linear layers by type, what padding does left out."""
        total: Counter[str] = Counter()
        chunks = cover(tokens, self.package.buffers.seq_lens, self.package.buffers.kv_capacity - depth)
        for chunk in chunks:
            for die in self.dies:
                program = die[str(chunk.seq_len)]
                for step in program["body"]:
                    _add_products(total, step, chunk.count / chunk.seq_len)
                for step in program["head"] if chunk is chunks[-1] else ():
                    _add_products(total, step, 1)
        return dict(total)


def _steps(program: JsonObject) -> Iterator[JsonObject]:
    yield from program["body"]
    yield from program["head"]


def _weight_bytes(program: JsonObject, step: JsonObject) -> int:
    """Bytes of the parameters that a step reads: an embedding's rows, of a linear layer all."""
    buffers = program["buffers"]
    whole: int = sum(buffers[name]["bytes"] for name in step["reads"] if buffers[name]["place"] == "params")
    return min(whole, int(step["cost"]["bytes_read"]))


def _add_products(total: Counter[str], step: JsonObject, share: float) -> None:
    """The products of a linear layer are most of its operations; the rest is scaling."""
    operations = step["cost"]["operations"]
    if step["kernel"].startswith(LINEAR) and operations:
        kind = max(operations, key=lambda name: operations[name])
        total[kind] += round(operations[kind] * share)
