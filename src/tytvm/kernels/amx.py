"""Advanced Matrix Extensions: eight tile registers of 16 rows × 64 bytes, and their bfloat16 product.

A *left* tile holds 16 rows of 32 neighbouring inputs. A *right* tile holds, in row p, inputs 2p and 2p + 1 of 16 output
channels side by side. `dot` adds their product to a tile of 16 × 16 float32 sums. Source: Intel 64 and IA-32
Architectures Software Developer's Manual, volume 1, chapter 18, and its instructions LDTILECFG and TDPBF16PS.
"""

from typing import Any

from tvm.script import tirx as T

from tytvm.kernels.vector import LANES, span

ROWS = 16  # of a tile; also its columns of float32
DEPTH = 32  # inputs of a left or right tile
TILE = ROWS * DEPTH  # bfloat16 values of a left or right tile

# Palette 1; from byte 16 on 64 bytes in a row of each of eight tiles (two bytes each), from byte 48 on 16 rows (one).
_CONFIGURATION = {0: 1, 4: 0x00400040, 5: 0x00400040, 6: 0x00400040, 7: 0x00400040, 12: 0x10101010, 13: 0x10101010}


def start() -> None:
    """Gives all eight tiles their full size; what a thread does before its first tile."""
    words = T.alloc_buffer((LANES,), "int32")
    T.buffer_store(
        words, T.Shuffle([T.int32(_CONFIGURATION.get(i, 0)) for i in range(LANES)], list(range(LANES))), [span(0)]
    )
    _run("ldtilecfg", T.address_of(words[0]))


def end() -> None:
    """Gives the tiles back, so that the system need not save them."""
    _run("tilerelease")


def load(tile: int, buffer: Any, at: list[Any], stride: Any) -> None:
    """Fills a tile from memory, its rows `stride` bytes apart."""
    _run("tileloadd64", _number(tile), T.address_of(buffer[tuple(at)]), _long(stride))


def store(tile: int, buffer: Any, at: list[Any], stride: Any) -> None:
    """Writes a tile to memory, its rows `stride` bytes apart."""
    _run("tilestored64", _number(tile), T.address_of(buffer[tuple(at)]), _long(stride))


def clear(tile: int) -> None:
    """Sets a tile to zero."""
    _run("tilezero", _number(tile))


def dot(sums: int, left: int, right: int) -> None:
    """Adds left · right to the tile of sums."""
    _run("tdpbf16ps", _number(sums), _number(left), _number(right))


def bfloat16(low: Any, high: Any) -> Any:
    """Two float32x16 rounded to bfloat16, one after the other, as uint16x32: TVM's own bfloat16 has no vectors."""
    return T.call_llvm_pure_intrin("uint16x32", "llvm.x86.avx512bf16.cvtne2ps2bf16.512", high, low)


def _run(instruction: str, *arguments: Any) -> None:
    T.evaluate(T.call_llvm_intrin("void", f"llvm.x86.{instruction}", *arguments))


def _number(tile: int) -> Any:
    return T.int8(tile)


def _long(value: Any) -> Any:
    return T.int64(value) if isinstance(value, int) else T.cast(value, "int64")
