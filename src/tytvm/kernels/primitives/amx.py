"""Advanced Matrix Extensions: eight tile registers of 16 rows × 64 bytes, and their products.

A *left* tile holds 16 rows of 32 neighboring bfloat16 inputs, or of 64 of int8. A *right* tile holds, in row p, inputs
2p and 2p + 1 (of int8: 4p to 4p + 3) of 16 output channels side by side. `dot` and `dot_int8` add their product to a
tile of 16 × 16 sums, float32 or int32. Source: Intel 64 and IA-32 Architectures Software Developer's Manual, volume 1,
chapter 18, and its instructions LDTILECFG, TDPBF16PS and TDPBSSD.
"""

from typing import Any

from tvm.script import tirx as T

from tytvm.kernels.primitives.expressions import Buffer, Scalar, Vector
from tytvm.kernels.primitives.vector import LANES, span

SIDE = 16  # rows of a tile, and channels of a right tile
DEPTH = 32  # bfloat16 inputs of a left or right tile
BYTES = 64  # of a tile's row: int8 inputs of a left or right tile
TILE = SIDE * DEPTH  # bfloat16 values of a left or right tile
SUMS, LEFT, RIGHT = 0, 4, 6
"""Tiles 0–3 hold the sums of two left tiles (4, 5) by two right ones (6, 7): `SUMS + 2 * left + right`."""
WHOLE = (SIDE, SIDE)


def start(rows: tuple[int, ...] = WHOLE, channels: tuple[int, ...] = WHOLE) -> None:
    """Sets the sizes of all tiles; what a thread does before its first one, and where an edge needs smaller ones.

    Args:
        rows: Rows of each left tile, one or two.
        channels: Channels of each right tile, one or two.
    """
    sizes = {RIGHT + b: (SIDE, count) for b, count in enumerate(channels)}
    sizes |= {LEFT + a: (count, SIDE) for a, count in enumerate(rows)}
    sizes |= {SUMS + 2 * a + b: (rows[a], channels[b]) for a in range(len(rows)) for b in range(len(channels))}
    configuration = bytearray(64)
    configuration[0] = 1  # palette
    for tile, (count, width) in sizes.items():
        configuration[16 + 2 * tile] = 4 * width  # bytes in a row
        configuration[48 + tile] = count
    values = T.alloc_buffer((LANES,), "int32")
    words = [T.int32(int.from_bytes(configuration[i : i + 4], "little")) for i in range(0, 64, 4)]
    T.buffer_store(values, T.Shuffle(words, list(range(LANES))), [span(0)])
    _run("ldtilecfg", T.address_of(values[0]))


def end() -> None:
    """Gives the tiles back, so that the system need not save them."""
    _run("tilerelease")


def load(tile: int, buffer: Buffer, at: list[Scalar], stride: Scalar) -> None:
    """Fills a tile from memory, its rows `stride` bytes apart."""
    _run("tileloadd64", _number(tile), T.address_of(buffer[tuple(at)]), _long(stride))


def store(tile: int, buffer: Buffer, at: list[Scalar], stride: Scalar) -> None:
    """Writes a tile to memory, its rows `stride` bytes apart."""
    _run("tilestored64", _number(tile), T.address_of(buffer[tuple(at)]), _long(stride))


def clear(tile: int) -> None:
    """Sets a tile to zero."""
    _run("tilezero", _number(tile))


def dot(sums: int, left: int, right: int) -> None:
    """Adds left · right, of bfloat16, to the tile of float32 sums."""
    _run("tdpbf16ps", _number(sums), _number(left), _number(right))


def dot_int8(sums: int, left: int, right: int) -> None:
    """Adds left · right, both of signed bytes, to the tile of int32 sums."""
    _run("tdpbssd", _number(sums), _number(left), _number(right))


def bfloat16(low: Vector, high: Vector) -> Vector:
    """Two float32x16 rounded to bfloat16, one after the other, as uint16x32: TVM's own bfloat16 has no vectors."""
    return T.call_llvm_pure_intrin("uint16x32", "llvm.x86.avx512bf16.cvtne2ps2bf16.512", high, low)


def _run(instruction: str, *arguments: Any) -> None:
    T.evaluate(T.call_llvm_intrin("void", f"llvm.x86.{instruction}", *arguments))


def _number(tile: int) -> Scalar:
    return T.int8(tile)


def _long(value: Scalar) -> Scalar:
    return T.int64(value) if isinstance(value, int) else T.cast(value, "int64")
