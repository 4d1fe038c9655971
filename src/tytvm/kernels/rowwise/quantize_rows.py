# mypy: disable-error-code="valid-type,untyped-decorator"
"""Symmetric int8 activations by group: scale = max|x| / 127, q = round(x / scale), and the sum of q."""

import numpy as np
import numpy.typing as npt
from tvm.script import tirx as T

from tytvm.kernels.kernel import Kernel, KernelTarget, Specialization, WorkKind, symbol
from tytvm.kernels.operands.encoding import Int8
from tytvm.kernels.operands.int8_groups import LARGEST, SMALLEST, code_shape, write_group
from tytvm.kernels.operators import Encode
from tytvm.kernels.primitives.amx import BYTES, SIDE
from tytvm.kernels.primitives.cost import Cost, size
from tytvm.kernels.primitives.expressions import PrimFunc
from tytvm.kernels.primitives.vector import ceildiv, lanes_of, span
from tytvm.target import InstructionSet


def build(spec: InstructionSet, R: int, K: int, group: int, tiled: bool = False) -> PrimFunc:
    """(x f32[R,K], q i8[R,K], scale f32[R,K/group], sum i32[R,K/group]).

    With `tiled`, for AMX, q is i8 [ceil(R/16),K/64,16,64], and there is no sum.
    """
    groups, lanes = K // group, lanes_of(group)

    @T.jit(private=True)
    def quantize_rows(
        x: T.Buffer((R, K), "float32"),
        q: T.Buffer(code_shape(R, K, tiled), "int8"),
        scale: T.Buffer((R, groups), "float32"),
        total: T.Optional(T.Buffer((R, groups), "int32")),
    ) -> None:
        for i in T.parallel(R * groups):
            r: T.let = i // groups
            g: T.let = i % groups
            values = T.meta_var([x[r, span(g * group + j * lanes, lanes)] for j in range(group // lanes)])
            write_group(q, scale, total, r, g, values, lanes)

    return quantize_rows.specialize(total=None) if tiled else quantize_rows.specialize()


def reference(
    x: npt.NDArray[np.float32], group: int
) -> tuple[npt.NDArray[np.int8], npt.NDArray[np.float32], npt.NDArray[np.int32]]:
    """In NumPy: x f32[R,K] → q i8[R,K], scale f32[R,K/group] and sum i32[R,K/group]."""
    grouped = x.reshape(len(x), -1, group)
    largest = np.asarray(np.abs(grouped).max(axis=-1), np.float32)
    largest[largest <= np.float32(SMALLEST)] = 0
    factor = np.divide(np.float32(LARGEST), largest, out=np.zeros_like(largest), where=largest > 0)
    q = np.asarray(np.rint(grouped * factor[..., None]), np.int8)
    return q.reshape(x.shape), largest / np.float32(LARGEST), np.sum(q, axis=-1, dtype=np.int32)


def tiles(q: npt.NDArray[np.int8]) -> npt.NDArray[np.int8]:
    """Codes i8[R,K] in left tiles, i8[ceil(R/16),K/64,16,64]; rows that do not exist are zeros."""
    R, K = q.shape
    padded = np.zeros((ceildiv(R, SIDE) * SIDE, K), np.int8)
    padded[:R] = q
    return np.ascontiguousarray(padded.reshape(-1, SIDE, K // BYTES, BYTES).transpose(0, 2, 1, 3))


def cost(R: int, K: int, group: int, tiled: bool = False) -> Cost:
    """Operations and bytes."""
    written = size("int8", R, K) + size("float32", R, K // group) + (not tiled) * size("int32", R, K // group)
    return Cost({"float32": 4 * R * K}, size("float32", R, K), written)


def accepts(target: KernelTarget, operator: Encode) -> Specialization | None:
    """int8, in rows or in tiles."""
    if not isinstance(operator.encoding, Int8):
        return None
    shape = (operator.rows, operator.width, operator.encoding.group)
    name = symbol("quantize_rows", *shape, tiled=operator.encoding.tiled)
    return Specialization(name, (*shape, operator.encoding.tiled), rows=operator.rows)


KERNEL = Kernel(Encode, accepts, build, cost, reference, WorkKind.ROWWISE)
