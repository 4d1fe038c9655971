"""How activations lie in memory for the linear layer that reads them: float32, bfloat16, or int8 with scales.

A kernel that makes activations writes them in the encoding that their consumers request, a few neighbors of a row (a
unit) at a time, so that no pass over memory goes by for the change alone.
"""

from dataclasses import dataclass

from tvm.script import tirx as T

from tytvm.kernels.operands.int8_groups import code_shape, write_group
from tytvm.kernels.primitives import amx
from tytvm.kernels.primitives.cost import size
from tytvm.kernels.primitives.expressions import Buffer, Scalar, Vector
from tytvm.kernels.primitives.vector import ceildiv, lanes_of, span

Tensor = tuple[tuple[int, ...], str]
"""Shape and dtype."""


@dataclass(frozen=True)
class Float32:
    """Rows as they are, [R, K]."""

    kind = ""
    """Ends the name of a kernel that writes it."""
    sizes = ()
    """Follow the shape in that name."""

    def unit(self, K: int) -> int:
        """Values that are written together."""
        lanes = lanes_of(K)
        return 2 * lanes if K % (2 * lanes) == 0 else lanes

    def tensors(self, R: int, K: int) -> tuple[Tensor, ...]:
        """Shape and dtype of each tensor that stands for [R, K] activations."""
        return (((R, K), "float32"),)

    def write_unit(self, outputs: list[Buffer], row: Scalar, unit: Scalar, values: list[Vector], lanes: int) -> None:
        """Writes a unit of a row: float32 vectors of so many lanes."""
        for j, value in enumerate(values):
            T.buffer_store(outputs[0], value, [row, span((unit * len(values) + j) * lanes, lanes)])


@dataclass(frozen=True)
class Int8:
    """Codes [R, K] (or AMX's left tiles of them), scales and, not for tiles, sums [R, K/group]: see `quantize_rows`."""

    group: int
    tiled: bool = False

    kind = "_int8"

    @property
    def sizes(self) -> tuple[int | str, ...]:
        """Follow the shape in a kernel's name."""
        return (self.group, *["tiled"] * self.tiled)

    def unit(self, K: int) -> int:
        """Values that are written together."""
        return self.group

    def tensors(self, R: int, K: int) -> tuple[Tensor, ...]:
        """Shape and dtype of each tensor that stands for [R, K] activations."""
        groups = (R, K // self.group)
        codes = code_shape(R, K, self.tiled)
        return (codes, "int8"), (groups, "float32"), *[(groups, "int32")] * (not self.tiled)

    def write_unit(self, outputs: list[Buffer], row: Scalar, unit: Scalar, values: list[Vector], lanes: int) -> None:
        """Writes a unit of a row: float32 vectors of so many lanes."""
        codes, scale, *total = outputs
        write_group(codes, scale, total[0] if total else None, row, unit, values, lanes)


@dataclass(frozen=True)
class Bfloat16:
    """bfloat16 in AMX's left tiles, as `bfloat16_tiles` has them: where K is no whole number of tiles, zeros follow."""

    kind = "_bfloat16"
    sizes = ()

    def unit(self, K: int) -> int:
        """Values that are written together."""
        return amx.DEPTH

    def tensors(self, R: int, K: int) -> tuple[Tensor, ...]:
        """Shape and dtype of each tensor that stands for [R, K] activations."""
        return (((ceildiv(R, amx.SIDE), ceildiv(K, amx.DEPTH), amx.SIDE, amx.DEPTH), "uint16"),)

    def write_unit(self, outputs: list[Buffer], row: Scalar, unit: Scalar, values: list[Vector], lanes: int) -> None:
        """Writes a unit of a row: float32 vectors of so many lanes."""
        at = [row // amx.SIDE, unit, row % amx.SIDE, span(0, amx.DEPTH)]
        T.buffer_store(outputs[0], amx.bfloat16(*values), at)


Encoding = Float32 | Int8 | Bfloat16
FLOAT32 = Float32()


def bytes_of(encoding: Encoding, R: int, K: int) -> int:
    """Bytes of [R, K] activations."""
    return sum(size(dtype, *shape) for shape, dtype in encoding.tensors(R, K))
