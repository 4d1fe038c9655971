"""Types of the fields in a package's JSON files: each has the bounds within which code and arithmetic are safe."""

from __future__ import annotations

import math
from typing import Annotated

import msgspec
import numpy as np
from msgspec import Meta

FORMAT_VERSION = 4
RUNTIME_ABI = 3
MOST_DIES = 64
MOST_BYTES = 1 << 46
"""Of a region of memory: 64 TiB. Sums and products of some such numbers fit into 64 bits."""


def one_of(*words: str) -> Meta:
    """The bound of a text that is one of some words."""
    return Meta(pattern=rf"^({'|'.join(words)})\Z")


Version = Annotated[int, Meta(ge=FORMAT_VERSION, le=FORMAT_VERSION)]
Die = Annotated[int, Meta(ge=0, lt=MOST_DIES)]
DieCount = Annotated[int, Meta(ge=1, le=MOST_DIES)]
Count = Annotated[int, Meta(ge=1, le=1 << 24)]
SeqLen = Annotated[int, Meta(ge=1, le=1 << 20)]
BatchSize = Annotated[int, Meta(ge=2, le=1 << 10)]
Bytes = Annotated[int, Meta(ge=0, le=MOST_BYTES)]
Offset = Annotated[int, Meta(ge=0, le=MOST_BYTES, multiple_of=64)]
TokenId = Annotated[int, Meta(ge=0, lt=1 << 24)]
Side = Annotated[int, Meta(ge=1, le=1 << 20)]
Shape = Annotated[tuple[Annotated[int, Meta(ge=0, le=1 << 40)], ...], Meta(max_length=8)]

Text = Annotated[str, Meta(pattern=r"^[^\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]{0,256}\Z")]
"""For people to read: nothing that moves a terminal's cursor or turns the direction of writing."""
BufferName = Annotated[str, Meta(pattern=r"^[^\x00-\x20\x7f-\x9f]{1,1024}\Z")]
Symbol = Annotated[str, Meta(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,254}\Z")]
"""Of a function in a shared library."""
Digest = Annotated[str, Meta(pattern=r"^[0-9a-f]{64}\Z")]
FileName = Annotated[str, Meta(pattern=r"^(?!.{1025})(?!/)(?!(.*/)?\.{0,2}(/|\Z))[^\x00-\x1f\x7f-\x9f\\]+\Z")]
"""Of a file in the package's folder or below it: a relative path without "." and "..", with / between its parts."""


class Record(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An object in a JSON file: what it does not name is refused."""


class IoEntry(Record, frozen=True):
    """A named part of the io or KV region: `offset` in bytes, `shape`, `dtype` as NumPy names it."""

    offset: Offset
    shape: Shape
    dtype: Annotated[str, one_of("float32", "float16", "int64", "int32", "int8", "bool")]

    @property
    def nbytes(self) -> int:
        """Its size in bytes."""
        return math.prod(self.shape) * np.dtype(self.dtype).itemsize
