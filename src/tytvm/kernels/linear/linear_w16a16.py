# mypy: disable-error-code="valid-type,untyped-decorator"
"""Linear layer with float16 weights: out = x · weightᵀ + bias, summed in float32 (layout: float16_weight.py)."""

import numpy as np
import numpy.typing as npt
from tvm.script import tirx as T

from tytvm.kernels.kernel import Kernel, KernelTarget, Specialization, WorkKind, symbol
from tytvm.kernels.linear import float16_weight
from tytvm.kernels.linear.register_tile import Accumulators, RegisterTile, store, tile_of
from tytvm.kernels.operators import Linear
from tytvm.kernels.primitives.cost import Cost, size
from tytvm.kernels.primitives.expressions import Buffer, PrimFunc, Scalar
from tytvm.kernels.primitives.vector import LANES, ceildiv, fill, materialize, of, span
from tytvm.kernels.row_count import passes
from tytvm.target import InstructionSet
from tytvm.weights import W16


def build(spec: InstructionSet, R: int, K: int, N: int, with_bias: bool = False, counted: bool = False) -> PrimFunc:
    """(x f32[R,K], weight f16[ceil(N/16),K,16], [bias f32[N]], out f32[R,N])."""
    tile = tile_of(spec.accumulators, R, N)

    @T.jit(private=True)
    def linear_w16a16(
        row_count: T.Optional(T.Buffer((1,), "int64")),
        x: T.Buffer((R, K), "float32"),
        weight: T.Buffer((tile.channel_blocks, K, LANES), "float16"),
        bias: T.Optional(T.Buffer((N,), "float32")),
        out: T.Buffer((R, N), "float32"),
    ) -> None:
        for across in T.parallel(tile.across):
            for down in T.serial(passes(row_count, tile.rows, tile.down)):
                sums = T.meta_var(Accumulators(tile))
                sums.clear()
                for k in range(K):
                    multiply_add(tile, sums, x, weight, k, across, down)
                store(tile, sums, bias, out, across, down)

    absent = ({} if with_bias else {"bias": None}) | ({} if counted else {"row_count": None})
    return linear_w16a16.specialize(**absent)


def multiply_add(
    tile: RegisterTile, sums: Accumulators, x: Buffer, weight: Buffer, k: Scalar, across: Scalar, down: Scalar
) -> None:
    """Adds the products of one input."""
    w = [weight[tile.block(across, b), k, span(0)] for b in range(tile.blocks)]
    w = [materialize(T.cast(part, of("float32"))) for part in w]
    for r in range(tile.rows):
        value = materialize(fill(x[tile.row(down, r), k]))
        for b in range(tile.blocks):
            sums[r, b] = sums[r, b] + w[b] * value


def reference(
    x: npt.NDArray[np.float32], weight: npt.NDArray[np.float16], bias: npt.NDArray[np.float32] | None = None
) -> npt.NDArray[np.float32]:
    """In NumPy, in float64: x f32[R,K], an unpacked weight f16[N,K], bias f32[N] → f32[R,N]."""
    out = x.astype(np.float64) @ weight.astype(np.float64).T
    return np.asarray(out if bias is None else out + bias, np.float32)


def cost(R: int, K: int, N: int, with_bias: bool = False, counted: bool = False) -> Cost:
    """Operations and bytes."""
    read = size("float32", R, K) + size("float16", ceildiv(N, LANES), K, LANES) + size("float32", N * with_bias)
    return Cost({"float32": 2 * R * K * N}, read, size("float32", R, N))


def accepts(target: KernelTarget, linear: Linear) -> Specialization | None:
    """float16 weights, on any CPU."""
    if not isinstance(linear.weight, W16):
        return None
    shape = (linear.rows, linear.weight.in_features, linear.weight.out_features)
    arguments = (*shape, linear.has_bias, target.counts_rows)
    return Specialization(symbol("linear_w16a16", *shape, bias=linear.has_bias), arguments, counted=target.counts_rows)


KERNEL = Kernel(Linear, accepts, build, cost, reference, WorkKind.WEIGHT_PRODUCT, float16_weight.LAYOUT)
