"""Activations: SiLU, QuickGELU (x · sigmoid(1.702 x)) and GELU, exact and by tanh (Hendrycks and Gimpel, 2016)."""

import math

import numpy as np
import numpy.typing as npt
from tvm.script import tirx as T

from tytvm.kernels.kernel import Kernel, KernelTarget, Specialization, WorkKind, symbol
from tytvm.kernels.operands.encoding import FLOAT32, Encoding, bytes_of
from tytvm.kernels.operators import Activation
from tytvm.kernels.primitives.cost import Cost, size
from tytvm.kernels.primitives.exponential import LOG2_E, exp2, reciprocal
from tytvm.kernels.primitives.expressions import PrimFunc, Scalar, Vector
from tytvm.kernels.primitives.vector import fill, materialize, zeros
from tytvm.kernels.rowwise import row_builder
from tytvm.kernels.rowwise.row_builder import Buffers, RowChunks
from tytvm.target import InstructionSet

KINDS = ("silu", "quick_gelu", "gelu", "gelu_tanh")
_MOST = 100.0  # power of two: a sigmoid beyond is 0 to any precision, 2^x stays finite, and no product is subnormal
_QUICK = 1.702
_CUBE, _TANH = 0.044715, 2 * math.sqrt(2 / math.pi)  # tanh(z) = 2 sigmoid(2z) − 1
# 1 − erf(z) = (t a1 + … + t⁵ a5) exp(−z²), t = 1 / (1 + p z), to 1.5e-7: Abramowitz and Stegun, 7.1.26
_ERF_P = 0.3275911
_ERF = (1.061405429, -1.453152027, 1.421413741, -0.284496736, 0.254829592)


def build(spec: InstructionSet, R: int, width: int, kind: str, encoding: Encoding = FLOAT32) -> PrimFunc:
    """(x f32[R,width], out in its encoding); `kind` is one of `KINDS`."""
    chunks = RowChunks(R, width, encoding)

    def value(buffers: Buffers, _: None, row: Scalar, at: Scalar) -> Vector:
        return apply(spec, kind, buffers["x"][row, at], chunks.lanes)

    return row_builder.build(kind, chunks, {"x": ((R, width), "float32")}, value)


def apply(spec: InstructionSet, kind: str, x: Vector, lanes: int) -> Vector:
    """The activation of a vector f32x`lanes`."""
    x = materialize(x, "float32", lanes)
    if kind == "gelu":
        return _gelu(spec, x, lanes)
    if kind == "silu":
        return _gate(spec, x, x, lanes)
    if kind == "quick_gelu":
        return _gate(spec, x, x * fill(T.float32(_QUICK), lanes), lanes)
    inner = fill(T.float32(_TANH), lanes) + fill(T.float32(_TANH * _CUBE), lanes) * x * x
    return _gate(spec, x, x * inner, lanes)


def silu(spec: InstructionSet, x: Vector, lanes: int) -> Vector:
    """The product x · sigmoid(x) of a vector f32x`lanes`."""
    return apply(spec, "silu", x, lanes)


def _gate(spec: InstructionSet, x: Vector, z: Vector, lanes: int) -> Vector:
    """The product x · sigmoid(z)."""
    power = T.min(z * fill(T.float32(-LOG2_E), lanes), fill(T.float32(_MOST), lanes))
    return x * reciprocal(spec, fill(T.float32(1), lanes) + exp2(power, lanes), lanes)


def _gelu(spec: InstructionSet, x: Vector, lanes: int) -> Vector:
    """max(x, 0) − |x| (1 − erf(|x| / √2)) / 2: small values of either sign keep their digits."""
    positive = materialize(T.max(x, zeros("float32", lanes)), "float32", lanes)
    size_of = materialize(T.max(x, zeros("float32", lanes) - x), "float32", lanes)
    slope = fill(T.float32(_ERF_P / math.sqrt(2)), lanes)
    t = materialize(reciprocal(spec, fill(T.float32(1), lanes) + slope * size_of, lanes), "float32", lanes)
    tail = fill(T.float32(_ERF[0] / 2), lanes)
    for coefficient in _ERF[1:]:
        tail = materialize(tail * t + fill(T.float32(coefficient / 2), lanes), "float32", lanes)
    power = T.max(size_of * size_of * fill(T.float32(-LOG2_E / 2), lanes), fill(T.float32(-_MOST), lanes))
    return positive - size_of * tail * t * exp2(power, lanes)


def reference(x: npt.NDArray[np.float32], kind: str) -> npt.NDArray[np.float32]:
    """In NumPy, in float64: x f32[..., width] → f32 of the same shape; `kind` is one of `KINDS`."""
    v = x.astype(np.float64)
    if kind == "gelu":
        return np.asarray(v * np.vectorize(math.erfc)(-v / math.sqrt(2)) / 2, np.float32)
    arguments = {"silu": v, "quick_gelu": _QUICK * v, "gelu_tanh": _TANH * (v + _CUBE * v**3)}
    return np.asarray(v * np.exp(-np.logaddexp(0, -arguments[kind])), np.float32)


def cost(R: int, width: int, kind: str, encoding: Encoding = FLOAT32) -> Cost:
    """Operations and bytes; an exponential counts as 16."""
    return Cost({"float32": 20 * R * width}, size("float32", R, width), bytes_of(encoding, R, width))


def accepts(target: KernelTarget, operator: Activation) -> Specialization:
    """Every activation of `KINDS`, in every encoding."""
    shape = (operator.rows, operator.width)
    name = symbol(f"{operator.function}{operator.encoding.kind}", *shape, *operator.encoding.sizes)
    return Specialization(name, (*shape, operator.function, operator.encoding), rows=operator.rows)


KERNEL = Kernel(Activation, accepts, build, cost, reference, WorkKind.ROWWISE)
