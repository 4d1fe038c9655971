"""Kernels that make rows of activations value by value, whatever encoding they are written in."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from tvm.script import tirx as T
from tvm.script.ir_builder import IRBuilder
from tvm.tirx.script.builder import ir as script

from tytvm.kernels.operands.encoding import Encoding, Tensor
from tytvm.kernels.primitives.expressions import Buffer, PrimFunc, Scalar
from tytvm.kernels.primitives.vector import ceildiv, lanes_of, materialize, span

_ENOUGH_CHUNKS = 16  # so that workers have about equal shares
_LEAST_CHUNK = 128  # values: below, a worker does no more than it costs to send it there

Buffers = Mapping[str, Buffer]


@dataclass(frozen=True)
class RowChunks:
    """The units of [R, K] activations as workers share them out: whole rows, or parts of rows where rows are few."""

    R: int
    K: int
    encoding: Encoding

    @property
    def lanes(self) -> int:
        """Lanes of a vector; they divide a unit."""
        return lanes_of(self.unit)

    @property
    def unit(self) -> int:
        """Values of a unit."""
        return self.encoding.unit(self.K)

    @property
    def across(self) -> int:
        """RowChunks of a row."""
        units = self.K // self.unit
        most = max(1, min(ceildiv(_ENOUGH_CHUNKS, self.R), self.K // _LEAST_CHUNK))
        return max(count for count in range(1, min(most, units) + 1) if units % count == 0)

    @property
    def count(self) -> int:
        """RowChunks of all rows."""
        return self.R * self.across

    @property
    def units(self) -> int:
        """Units of a chunk."""
        return self.K // self.unit // self.across

    def places(self, unit: Scalar) -> list[Scalar]:
        """Where the vectors of a unit lie in their row."""
        return [span(unit * self.unit + j * self.lanes, self.lanes) for j in range(self.unit // self.lanes)]


def build(
    name: str,
    chunks: RowChunks,
    tensors: Mapping[str, Tensor],
    value: Callable[[Buffers, Any, Any, Any], Any],
    prepare: Callable[[Buffers, Any], Any] = lambda buffers, row: None,
) -> PrimFunc:
    """(*tensors, *what the encoding of [R, K] activations consists of).

    Args:
        name: Of the function.
        chunks: Shape and encoding of what it makes, and how workers share it out.
        tensors: What else it reads or writes, in order.
        value: (buffers, what `prepare` returned, row, at): float32 at these places of a row; stores on the side too.
        prepare: (buffers, row): what a chunk needs to know of its whole row before it begins.
    """
    made = chunks.encoding.tensors(chunks.R, chunks.K)
    with IRBuilder() as builder, script.prim_func(is_private=True):
        script.func_name(name)
        buffers = {key: script.arg(key, T.Buffer(*tensor)) for key, tensor in tensors.items()}
        outputs = [script.arg(f"out{i}", T.Buffer(*tensor)) for i, tensor in enumerate(made)]
        with T.parallel(chunks.count) as chunk:
            row = T.bind(chunk // chunks.across)
            known = prepare(buffers, row)
            with T.serial(chunks.units) as u:
                unit = T.bind(chunk % chunks.across * chunks.units + u)
                values = [
                    materialize(value(buffers, known, row, at), "float32", chunks.lanes) for at in chunks.places(unit)
                ]
                chunks.encoding.write_unit(outputs, row, unit, values, chunks.lanes)
    return builder.get()
