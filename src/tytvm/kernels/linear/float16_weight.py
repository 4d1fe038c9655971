"""Layout of a float16 weight [N, K]: [ceil(N/16), K, 16], sixteen output channels of an input side by side."""

import numpy as np
import numpy.typing as npt

from tytvm.kernels.kernel import WeightLayout
from tytvm.kernels.primitives.vector import LANES, ceildiv


def pack(weight: npt.NDArray[np.float16]) -> dict[str, npt.NDArray[np.float16]]:
    """A weight f16[N,K] as {"weight": f16[ceil(N/16),K,16]}; channels that do not exist are zeros."""
    N, K = weight.shape
    packed = np.zeros((ceildiv(N, LANES), K, LANES), np.float16)
    for block, rows in enumerate(packed):  # one at a time: a block's rows stay in the cache while they are transposed
        channels = weight[block * LANES : (block + 1) * LANES]
        rows[:, : len(channels)] = channels.T
    return {"weight": packed}


def unpack(packed: dict[str, npt.NDArray[np.float16]], N: int) -> npt.NDArray[np.float16]:
    """The weight f16[N,K] again."""
    weight = packed["weight"]
    return weight.transpose(0, 2, 1).reshape(-1, weight.shape[1])[:N]


LAYOUT = WeightLayout(pack, unpack)
