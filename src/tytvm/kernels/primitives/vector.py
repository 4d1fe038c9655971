"""Sixteen lanes at a time: kernels use vectors of sixteen, which LLVM splits where registers are shorter."""

import math
from collections.abc import Callable

from tvm.script import tirx as T

from tytvm.kernels.primitives.expressions import Buffer, Scalar, Vector

LANES = 16


def lanes_of(extent: int) -> int:
    """The most lanes, up to sixteen, that divide `extent`."""
    return math.gcd(extent, LANES)


def chunk_size(extent: int, at_most: int) -> int:
    """The largest divisor of `extent` up to `at_most`: the size of the chunks that workers share out."""
    return max(size for size in range(1, min(extent, at_most) + 1) if extent % size == 0)


def ceildiv(extent: int, size: int) -> int:
    """The number of chunks of `size` that cover `extent`."""
    return -(-extent // size)


def span(start: Scalar, lanes: int = LANES) -> Scalar:
    """The index of `lanes` neighbors from `start` on."""
    return T.ramp(start, 1, lanes) if lanes > 1 else start


def of(dtype: str, lanes: int = LANES) -> str:
    """A vector type's name, such as "float32x16" for "float32"."""
    return f"{dtype}x{lanes}" if lanes > 1 else dtype


def fill(value: Vector, lanes: int = LANES) -> Vector:
    """A vector with `value` in every lane."""
    return T.broadcast(value, lanes) if lanes > 1 else value


def zeros(dtype: str = "float32", lanes: int = LANES) -> Vector:
    """A vector of zeros."""
    return fill(T.cast(T.int32(0), dtype), lanes)


def materialize(value: Vector, dtype: str = "float32", lanes: int = LANES) -> Vector:
    """The value, computed once: TVM's simplifier copies a bound expression to its uses, and reorders floats there."""
    stored = T.alloc_buffer((lanes,), dtype)
    T.buffer_store(stored, value, [span(0, lanes)])
    return stored[span(0, lanes)]


def fence(value: Vector, dtype: str, lanes: int) -> Vector:
    """A vector of 64 bytes, as a value that LLVM does not reassociate with later operations; it costs no instruction.

    LLVM's `llvm.arithmetic.fence` is for floats; the bits of integers pass through it as they are.
    """
    floats = T.reinterpret(of("float32"), value)
    fenced = T.call_llvm_pure_intrin(of("float32"), f"llvm.arithmetic.fence.v{LANES}f32", floats)
    return T.reinterpret(of(dtype, lanes), fenced)


def halves(vector: Vector, dtype: str, lanes: int) -> tuple[Vector, Vector]:
    """The lower and the upper half of a vector of `lanes`."""
    whole = materialize(vector, dtype, lanes)
    return T.vectorlow(of(dtype, lanes // 2), whole), T.vectorhigh(of(dtype, lanes // 2), whole)


def join(low: Vector, high: Vector, lanes: int) -> Vector:
    """A vector of `lanes` from its halves."""
    return T.Shuffle([low, high], list(range(lanes)))


def horizontal_reduce(
    combine: Callable[[Vector, Vector], Vector], vector: Vector, dtype: str = "float32", lanes: int = LANES
) -> Scalar:
    """One scalar from all lanes: each step combines the lower half with the upper."""
    while lanes > 2:
        whole = materialize(vector, dtype, lanes)
        lanes //= 2
        vector = combine(T.vectorlow(of(dtype, lanes), whole), T.vectorhigh(of(dtype, lanes), whole))
    whole = materialize(vector, dtype, lanes)
    return materialize(combine(T.Shuffle([whole], [0]), T.Shuffle([whole], [1])), dtype, 1) if lanes == 2 else whole


def prefetch(buffer: Buffer, start: list[Scalar], distance: int = 0, level: int = 1) -> None:
    """Prefetches the cache line `distance` bytes beyond an element; it may lie past the buffer's end.

    Args:
        buffer: Where.
        start: The element.
        distance: Bytes.
        level: The cache to bring it to, 1 for the nearest.
    """
    address = T.handle_add_byte_offset(T.address_of(buffer[tuple(start)]), distance)
    T.evaluate(T.call_llvm_intrin("void", "llvm.prefetch", address, T.int32(0), T.int32(4 - level), T.int32(1)))


def add(a: Vector, b: Vector) -> Vector:
    """The sum, for `horizontal_reduce`."""
    return a + b
