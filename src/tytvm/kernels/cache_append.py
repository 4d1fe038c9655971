# mypy: disable-error-code="valid-type,untyped-decorator"
"""Writes new keys or values into their rows of the float16 cache."""

from typing import Any

import numpy as np
import numpy.typing as npt
from tvm.script import tirx as T

from tytvm.kernels.cost import Cost, size
from tytvm.kernels.vector import lanes_of, of, span
from tytvm.target import InstructionSet


def build(spec: InstructionSet, KH: int, S: int, D: int, C: int) -> Any:
    """(k f32[KH,S,D], position i64[1], cache f16[KH,C,D]): rows position..position+S-1; rows from C on are dropped."""
    lanes = lanes_of(D)

    @T.prim_func(private=True)
    def cache_append(
        k: T.Buffer((KH, S, D), "float32"), position: T.Buffer((1,), "int64"), cache: T.Buffer((KH, C, D), "float16")
    ) -> None:
        for i in T.parallel(KH * S):
            head: T.let = i // S
            s: T.let = i % S
            row: T.let = T.cast(position[0], "int32") + s
            if row < C:
                for j in range(D // lanes):
                    at: T.let = j * lanes
                    cache[head, row, span(at, lanes)] = T.cast(k[head, s, span(at, lanes)], of("float16", lanes))

    return cache_append


def reference(k: npt.NDArray[np.float32], position: int, cache: npt.NDArray[np.float16]) -> npt.NDArray[np.float16]:
    """A new cache, the rows replaced."""
    written = cache.copy()
    written[:, position : position + k.shape[1]] = k[:, : cache.shape[1] - position]
    return written


def cost(KH: int, S: int, D: int) -> Cost:
    """Operations and bytes."""
    return Cost({}, size("float32", KH, S, D) + size("int64", 1), size("float16", KH, S, D))
