"""RMSNorm (Zhang and Sennrich, 2019): out = x / sqrt(mean(x²) + eps) · weight, row by row; of a sum too.

Where a row is shared by several workers each sums its squares for itself: that is quicker than to wait for one.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
from tvm.script import tirx as T

from tytvm.kernels.kernel import Kernel, KernelTarget, Specialization, WorkKind, symbol
from tytvm.kernels.operands.encoding import FLOAT32, Encoding, bytes_of
from tytvm.kernels.operators import RmsNorm
from tytvm.kernels.primitives.cost import Cost, size
from tytvm.kernels.primitives.expressions import PrimFunc, Scalar, Vector
from tytvm.kernels.primitives.vector import add, fill, horizontal_reduce, materialize, span, zeros
from tytvm.kernels.rowwise import row_builder
from tytvm.kernels.rowwise.row_builder import Buffers, RowChunks
from tytvm.target import InstructionSet

_CHAINS = 4  # sums that grow side by side: an addition waits four cycles for the one before


def build(
    spec: InstructionSet, R: int, H: int, eps: float, encoding: Encoding = FLOAT32, with_sum: bool = False
) -> PrimFunc:
    """(x f32[R,H], weight f32[H], out) or, with a sum, (x, y f32[R,H], weight, sum f32[R,H], out).

    Args:
        spec: The CPU.
        R: Rows.
        H: Width.
        eps: Added to the mean of the squares.
        encoding: Of `out`.
        with_sum: Whether the norm is of x + y, which is written to `sum`.
    """
    chunks = RowChunks(R, H, encoding)
    whole = ((R, H), "float32")
    weight = {"weight": ((H,), "float32")}
    tensors = {"x": whole, "y": whole} | weight | {"sum": whole} if with_sum else {"x": whole} | weight

    def factor(buffers: Buffers, row: Scalar) -> Scalar:
        mean = total(buffers, row, H, chunks.lanes, lambda v: v * v) / T.float32(H)
        return materialize(T.float32(1) / T.sqrt(mean + T.float32(eps)), "float32", 1)

    def value(buffers: Buffers, factor: Scalar, row: Scalar, at: Scalar) -> Vector:
        x = materialize(read(buffers, row, at), "float32", chunks.lanes)
        if with_sum:
            T.buffer_store(buffers["sum"], x, [row, at])
        return x * fill(factor, chunks.lanes) * buffers["weight"][at]

    return row_builder.build("rms_norm", chunks, tensors, value, factor)


def read(buffers: Buffers, row: Scalar, at: Scalar) -> Vector:
    """x, or x + y where there is a y."""
    x = buffers["x"][row, at]
    return x + buffers["y"][row, at] if "y" in buffers else x


def total(buffers: Buffers, row: Scalar, H: int, lanes: int, term: Callable[[Vector], Vector]) -> Scalar:
    """The sum over a row of what `term` makes of its vectors."""
    chains = next(count for count in (_CHAINS, 2, 1) if H // lanes % count == 0)
    sums = [T.alloc_buffer((lanes,), "float32") for _ in range(chains)]
    whole = span(0, lanes)
    for chain in sums:
        T.buffer_store(chain, zeros("float32", lanes), [whole])
    with T.serial(H // lanes // chains) as i:
        for number, chain in enumerate(sums):
            v = materialize(read(buffers, row, span((i * chains + number) * lanes, lanes)), "float32", lanes)
            T.buffer_store(chain, chain[whole] + term(v), [whole])
    return horizontal_reduce(add, sum((chain[whole] for chain in sums[1:]), sums[0][whole]), "float32", lanes)


def reference(x: npt.NDArray[Any], weight: npt.NDArray[Any], eps: float) -> npt.NDArray[np.float32]:
    """In NumPy, in float64: x [..., H] and weight [H], of any float type → f32[..., H]."""
    mean = np.mean(np.square(x, dtype=np.float64), axis=-1, keepdims=True)
    return np.asarray(x / np.sqrt(mean + eps) * weight, np.float32)


def cost(R: int, H: int, eps: float, encoding: Encoding = FLOAT32, with_sum: bool = False) -> Cost:
    """Operations and bytes."""
    whole = size("float32", R, H)
    read, written = (2 * whole, whole) if with_sum else (whole, 0)
    return Cost({"float32": (4 + with_sum) * R * H}, read + size("float32", H), written + bytes_of(encoding, R, H))


def accepts(target: KernelTarget, norm: RmsNorm) -> Specialization:
    """Every shape and encoding."""
    name = f"{'add_' * norm.with_sum}rms_norm{norm.encoding.kind}"
    shape = (norm.rows, norm.width)
    return Specialization(
        symbol(name, *shape, *norm.encoding.sizes), (*shape, norm.eps, norm.encoding, norm.with_sum), rows=norm.rows
    )


KERNEL = Kernel(RmsNorm, accepts, build, cost, reference, WorkKind.ROWWISE)
