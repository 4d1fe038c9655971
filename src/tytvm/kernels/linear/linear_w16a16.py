# mypy: disable-error-code="valid-type,untyped-decorator"
"""Linear layer with float16 weights: out = x · weightᵀ + bias, summed in float32 (layout: float16_weight.py)."""

import numpy as np
import numpy.typing as npt
from tvm.script import tirx as T

from tytvm.kernels.kernel import Kernel, KernelTarget, Specialization, WorkKind, symbol
from tytvm.kernels.linear import float16_weight
from tytvm.kernels.linear.register_tile import Accumulators, store, tile_of
from tytvm.kernels.operators import Linear
from tytvm.kernels.primitives.cost import Cost, size
from tytvm.kernels.primitives.expressions import Buffer, PrimFunc, Scalar
from tytvm.kernels.primitives.vector import LANES, ceildiv, fill, materialize, of, span
from tytvm.target import InstructionSet
from tytvm.weights import W16


def build(spec: InstructionSet, R: int, K: int, N: int, with_bias: bool = False) -> PrimFunc:
    """(x f32[R,K], weight f16[ceil(N/16),K,16], [bias f32[N]], out f32[R,N])."""
    tile = tile_of(spec.accumulators, R, N)

    def multiply_add(sums: Accumulators, x: Buffer, weight: Buffer, k: Scalar, across: Scalar, down: Scalar) -> None:
        w = [weight[tile.block(across, b), k, span(0)] for b in range(tile.blocks)]
        w = [materialize(T.cast(part, of("float32"))) for part in w]
        for r in range(tile.rows):
            value = materialize(fill(x[tile.row(down, r), k]))
            for b in range(tile.blocks):
                sums[r, b] = sums[r, b] + w[b] * value

    @T.jit(private=True)
    def linear_w16a16(
        x: T.Buffer((R, K), "float32"),
        weight: T.Buffer((tile.channel_blocks, K, LANES), "float16"),
        bias: T.Optional(T.Buffer((N,), "float32")),
        out: T.Buffer((R, N), "float32"),
    ) -> None:
        for across in T.parallel(tile.across):
            for down in range(tile.down):
                sums = T.meta_var(Accumulators(tile))
                sums.clear()
                for k in range(K):
                    multiply_add(sums, x, weight, k, across, down)
                store(tile, sums, bias, out, across, down)

    return linear_w16a16.specialize() if with_bias else linear_w16a16.specialize(bias=None)


def reference(
    x: npt.NDArray[np.float32], weight: npt.NDArray[np.float16], bias: npt.NDArray[np.float32] | None = None
) -> npt.NDArray[np.float32]:
    """In NumPy, in float64: x f32[R,K], an unpacked weight f16[N,K], bias f32[N] → f32[R,N]."""
    out = x.astype(np.float64) @ weight.astype(np.float64).T
    return np.asarray(out if bias is None else out + bias, np.float32)


def cost(R: int, K: int, N: int, with_bias: bool = False) -> Cost:
    """Operations and bytes."""
    read = size("float32", R, K) + size("float16", ceildiv(N, LANES), K, LANES) + size("float32", N * with_bias)
    return Cost({"float32": 2 * R * K * N}, read, size("float32", R, N))


def accepts(target: KernelTarget, linear: Linear) -> Specialization | None:
    """float16 weights, on any CPU."""
    if not isinstance(linear.weight, W16):
        return None
    shape = (linear.rows, linear.weight.in_features, linear.weight.out_features)
    return Specialization(symbol("linear_w16a16", *shape, bias=linear.has_bias), (*shape, linear.has_bias))


KERNEL = Kernel(Linear, accepts, build, cost, reference, WorkKind.WEIGHT_PRODUCT, float16_weight.LAYOUT)
