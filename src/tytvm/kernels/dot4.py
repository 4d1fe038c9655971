"""The step that all int8 kernels stand on: sixteen int32 sums of four products, u8 × i8."""

from typing import Any

from tvm.script import tirx as T

from tytvm.kernels.vector import LANES, fill
from tytvm.target import InstructionSet


def dot4(spec: InstructionSet, total: Any, a: Any, b: Any) -> Any:
    """total[i] + Σ over the four bytes of lane i of u8(a) · i8(b); a, b and total are int32x16."""
    if spec.has_dot4:
        # LLVM 22 declares both factors as bytes; older texts show int32x16.
        factors = T.reinterpret("uint8x64", a), T.reinterpret("int8x64", b)
        return T.call_llvm_pure_intrin("int32x16", "llvm.x86.avx512.vpdpbusd.512", total, *factors)
    for byte in range(4):
        unsigned = (a >> _lanes(8 * byte)) & _lanes(255)
        signed = (b << _lanes(24 - 8 * byte)) >> _lanes(24)
        total = total + unsigned * signed
    return total


def _lanes(value: int) -> Any:
    return fill(T.int32(value), LANES)
