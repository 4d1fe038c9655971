"""The work of one call of a kernel: operations by type and bytes moved, from shapes alone."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

_BYTES = {"int8": 1, "uint8": 1, "float16": 2, "uint16": 2, "float32": 4, "int32": 4, "int64": 8}


@dataclass(frozen=True)
class Cost:
    """Work of one call of a kernel, summed over all workers.

    Attributes:
        operations: Arithmetic operations by the type of their operands; a multiply-add counts as two.
        bytes_read: Bytes read, each input counted once.
        bytes_written: Bytes written.
    """

    operations: Mapping[str, int] = field(default_factory=dict)
    bytes_read: int = 0
    bytes_written: int = 0

    def __add__(self, other: "Cost") -> "Cost":
        types = {*self.operations, *other.operations}
        both = {name: self.operations.get(name, 0) + other.operations.get(name, 0) for name in sorted(types)}
        return Cost(both, self.bytes_read + other.bytes_read, self.bytes_written + other.bytes_written)


def size(dtype: str, *shape: int) -> int:
    """Bytes of a tensor."""
    return _BYTES[dtype] * math.prod(shape)
