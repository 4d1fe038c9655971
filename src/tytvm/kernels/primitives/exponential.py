"""2^x and 1 / x in float32 without a library call, for scalars and vectors, to about a unit in the last place."""

from tvm.script import tirx as T

from tytvm.kernels.primitives.expressions import Vector
from tytvm.kernels.primitives.vector import LANES, fill, materialize, of
from tytvm.target import InstructionSet

LOG2_E = 1.44269504088896341
_ROUND = 12582912.0  # 1.5 * 2^23: adding and subtracting it rounds to the nearest integer
# 2^f for |f| <= 1/2, least largest relative error: 7.5e-8 and, for results that become bfloat16, 7.5e-5.
_POWERS = (1.3276472e-3, 9.675541e-3, 5.5507131e-2, 2.4022120e-1, 6.9314694e-1, 1.0000001)
_COARSE_POWERS = (5.5171669e-2, 2.4261113e-1, 6.9326097e-1, 9.9992806e-1)
_LOWEST_POWER = -125.0  # so that no result is subnormal, which would be slow


def exp2(x: Vector, lanes: int = 1, coarse: bool = False) -> Vector:
    """2^x for x <= 127; below -125 it is 2^-125. To about 3e-7, or 1e-4 where `coarse`."""
    coefficients = _COARSE_POWERS if coarse else _POWERS

    def constant(value: float) -> Vector:
        return fill(T.float32(value), lanes)

    x = materialize(T.max(x, constant(_LOWEST_POWER)), "float32", lanes)
    shifted = materialize(x + constant(_ROUND), "float32", lanes)
    f = materialize(x - materialize(shifted - constant(_ROUND), "float32", lanes), "float32", lanes)
    p = constant(coefficients[0])
    for coefficient in coefficients[1:]:
        p = materialize(p * f + constant(coefficient), "float32", lanes)
    integer = of("int32", lanes)  # the low bits of `shifted` are round(x): moved up, they add to the exponent
    exponent = T.reinterpret(integer, shifted) << fill(T.int32(23), lanes)
    return materialize(T.reinterpret(of("float32", lanes), T.reinterpret(integer, p) + exponent), "float32", lanes)


def reciprocal(spec: InstructionSet, x: Vector, lanes: int) -> Vector:
    """1 / x to about 2e-7: an estimate and a step of Newton's method where a vector has one, else a division."""
    if spec.vector_bytes < 64 or lanes < LANES:
        return fill(T.float32(1), lanes) / x
    x = materialize(x)
    arguments = fill(T.float32(0)), T.int16(-1)
    estimate = materialize(T.call_llvm_pure_intrin("float32x16", "llvm.x86.avx512.rcp14.ps.512", x, *arguments))
    return materialize(estimate * (fill(T.float32(2)) - x * estimate))
