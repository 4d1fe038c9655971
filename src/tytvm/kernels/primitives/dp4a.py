"""Products of bytes, the step that all int8 kernels stand on, by the instructions that the CPU has."""

from collections.abc import Callable
from typing import Any

from tvm.script import tirx as T

from tytvm.kernels.primitives.expressions import Vector
from tytvm.kernels.primitives.vector import LANES, fill, halves, join, materialize, of
from tytvm.target import InstructionSet


def dp4a(spec: InstructionSet, total: Vector, a: Vector, b: Vector, lanes: int = LANES) -> Vector:
    """total[i] + Σ over the four bytes of lane i of u8(a) · i8(b); a, b and total are int32 vectors of `lanes`."""
    if spec.int8_product and lanes > spec.lanes:
        return _joined(dp4a, spec, [total, a, b], lanes, lanes)
    if spec.int8_product == "vpdpbusd":
        # LLVM 22 declares both factors as bytes; older texts show int32x16.
        factors = T.reinterpret(of("uint8", 4 * lanes), a), T.reinterpret(of("int8", 4 * lanes), b)
        return T.call_llvm_pure_intrin(of("int32", lanes), f"llvm.x86.avx512.vpdpbusd.{32 * lanes}", total, *factors)
    if spec.int8_product:
        even = pmaddwd(
            spec, a & fill(T.int32(0x00FF00FF), lanes), _high_bytes(b << fill(T.int32(8), lanes), "int16", lanes), lanes
        )
        return total + even + pmaddwd(spec, _high_bytes(a, "uint16", lanes), _high_bytes(b, "int16", lanes), lanes)
    for byte in range(4):
        unsigned = (a >> fill(T.int32(8 * byte), lanes)) & fill(T.int32(255), lanes)
        signed = (b << fill(T.int32(24 - 8 * byte), lanes)) >> fill(T.int32(24), lanes)
        total = total + unsigned * signed
    return total


def pmaddwd(spec: InstructionSet, a: Vector, b: Vector, lanes: int = LANES) -> Vector:
    """Sums of two products, int16 × int16, as int32; a and b are int32 vectors of two int16 to a lane."""
    if lanes > spec.lanes:
        return _joined(pmaddwd, spec, [a, b], lanes, lanes)
    name = {4: "llvm.x86.sse2.pmadd.wd", 8: "llvm.x86.avx2.pmadd.wd"}[lanes]
    factors = (T.reinterpret(of("int16", 2 * lanes), each) for each in (a, b))
    return T.call_llvm_pure_intrin(of("int32", lanes), name, *factors)


def pmaddubsw(spec: InstructionSet, a: Vector, b: Vector, lanes: int = LANES) -> Vector:
    """Sums of two products, u8(a) · i8(b), as twice as many int16; it saturates, so one factor must be small."""
    if lanes > spec.lanes:
        return _joined(pmaddubsw, spec, [a, b], lanes, 2 * lanes)
    factors = T.reinterpret(of("uint8", 4 * lanes), a), T.reinterpret(of("int8", 4 * lanes), b)
    return T.call_llvm_pure_intrin(of("int16", 2 * lanes), "llvm.x86.avx2.pmadd.ub.sw", *factors)


def _joined(
    step: Callable[..., Any], spec: InstructionSet, vectors: list[Vector], lanes: int, joined_lanes: int
) -> Vector:
    """`step` applied to the lower halves of int32 vectors and to the upper ones, the results side by side."""
    low, high = zip(*(halves(vector, "int32", lanes) for vector in vectors), strict=True)
    return join(step(spec, *low, lanes // 2), step(spec, *high, lanes // 2), joined_lanes)


def _high_bytes(vector: Vector, dtype: str, lanes: int) -> Vector:
    """The high byte of each of the two 16-bit halves of a lane, as 16 bits, signed or not."""
    words = materialize(T.reinterpret(of(dtype, 2 * lanes), vector), dtype, 2 * lanes)
    return T.reinterpret(of("int32", lanes), words >> fill(T.cast(T.int32(8), dtype), 2 * lanes))
