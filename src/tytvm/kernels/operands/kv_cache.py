"""How a layer's cache lies in memory: keys sixteen together, transposed, so that a vector is one input of sixteen.

Keys are [KH, tiles, D, 16], values [KH, 16 · tiles, W] with rows of whole vectors (W is Dv rounded up). As int8 each
key and each value has a float32 scale, [KH, tiles, 16]: x ≈ code · scale, scale = max|x| / 127.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from tvm.script import tirx as T

from tytvm.kernels.primitives.cost import size
from tytvm.kernels.primitives.expressions import Buffer, Scalar, Vector
from tytvm.kernels.primitives.vector import LANES, ceildiv, fill, materialize, of, span

DTYPES = ("float16", "int8")


@dataclass(frozen=True)
class KvCache:
    """Shapes of one layer's cache.

    Attributes:
        KH: Key and value heads.
        C: Rows that are requested; there are as many more as make whole tiles of sixteen.
        D: Width of a key.
        Dv: Width of a value.
        dtype: "float16" or "int8".
        slot_bytes: From a slot's cache to the next one's, where every row of a step is of a sequence, and so a slot, of
            its own; 0 where all rows are of one sequence.
    """

    KH: int
    C: int
    D: int
    Dv: int
    dtype: str = "float16"
    slot_bytes: int = 0

    @property
    def tiles(self) -> int:
        """Tiles of sixteen keys."""
        return ceildiv(self.C, LANES)

    @property
    def keys(self) -> tuple[int, ...]:
        """Shape of the keys."""
        return (self.KH, self.tiles, self.D, LANES)

    @property
    def values(self) -> tuple[int, ...]:
        """Shape of the values."""
        return (self.KH, self.tiles * LANES, ceildiv(self.Dv, LANES) * LANES)

    @property
    def scales(self) -> tuple[int, ...]:
        """Shape of the scales of int8 keys, and of int8 values."""
        return (self.KH, self.tiles, LANES)

    @property
    def tensors(self) -> dict[str, tuple[tuple[int, ...], str]]:
        """Suffix → shape and type of each tensor."""
        caches = {"k": (self.keys, self.dtype), "v": (self.values, self.dtype)}
        scales = {f"{which}_scale": (self.scales, "float32") for which in caches}
        return caches | scales if self.dtype == "int8" else caches

    @property
    def row_bytes(self) -> int:
        """Bytes of a token's key and value in one head."""
        return size(self.dtype, self.D + self.Dv) + (2 * size("float32", 1) if self.dtype == "int8" else 0)


def of_slot(tensor: Buffer | None, cache: KvCache, slot: Scalar) -> Buffer | None:
    """A tensor of the cache of slot 0 as that of another slot; the scales that a float16 cache has not stay None."""
    if tensor is None or not cache.slot_bytes:
        return tensor
    moved = T.handle_add_byte_offset(tensor.data, T.cast(slot, "int64") * T.int64(cache.slot_bytes))
    return T.decl_buffer(tuple(tensor.shape), str(tensor.dtype), data=moved)


def floats(cache: Buffer, index: list[Scalar]) -> Vector:
    """Sixteen neighbors of a cache as float32 (of int8: the codes)."""
    codes = cache[(*index[:-1], span(index[-1]))]
    if str(cache.dtype) == "int8":
        codes = T.cast(codes, of("int32"))
    return materialize(T.cast(codes, of("float32")))


def scale_of(scales: Buffer, head: Scalar, tile: Scalar) -> Vector:
    """The scales of a tile's sixteen rows; ones where the cache is float16."""
    return fill(T.float32(1)) if scales is None else materialize(scales[head, tile, span(0)])


def tile_keys(rows: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Keys [KH, C, D] as tiles [KH, C/16, D, 16], C a multiple of 16."""
    heads, count, width = rows.shape
    return np.ascontiguousarray(rows.reshape(heads, count // LANES, LANES, width).swapaxes(2, 3))


def untile_keys(tiles: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Tiles [KH, C/16, D, 16] as keys [KH, C, D]."""
    heads, count, width, _ = tiles.shape
    return np.ascontiguousarray(tiles.swapaxes(2, 3).reshape(heads, count * LANES, width))


def quantize(rows: npt.NDArray[np.float32]) -> tuple[npt.NDArray[np.int8], npt.NDArray[np.float32]]:
    """Rows f32[KH,S,D] of keys or values → int8 codes i8[KH,S,D] and scales f32[KH,S]."""
    largest = np.abs(rows).max(axis=-1, initial=0).astype(np.float32)
    factor = np.divide(np.float32(127), largest, out=np.zeros_like(largest), where=largest > np.float32(1e-30))
    return np.rint(rows * factor[..., None]).astype(np.int8), largest / np.float32(127)
