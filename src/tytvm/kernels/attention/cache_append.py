# mypy: disable-error-code="valid-type,untyped-decorator"
"""Writes new keys and values into their rows of a layer's cache."""

from typing import Any

import numpy as np
import numpy.typing as npt
from tvm.script import tirx as T

from tytvm.kernels.kernel import Kernel, KernelTarget, Specialization, WorkKind, symbol
from tytvm.kernels.operands.kv_cache import KvCache, of_slot, quantize, tile_keys, untile_keys
from tytvm.kernels.operators import CacheAppend
from tytvm.kernels.primitives.cost import Cost, size
from tytvm.kernels.primitives.expressions import Buffer, PrimFunc, Scalar, Vector
from tytvm.kernels.primitives.vector import LANES, fill, horizontal_reduce, lanes_of, materialize, of, span, zeros
from tytvm.target import InstructionSet

_LARGEST = 127
_SMALLEST = 1e-30  # what lies below counts as zeros, so that 127 / max|x| stays finite
_ROUND = 12582912.0  # 1.5 * 2^23: adding and subtracting it rounds to the nearest integer


def build(spec: InstructionSet, cache: KvCache, S: int) -> PrimFunc:
    """(k f32[KH,S,D], v f32[KH,S,Dv], position i64[1], [slot i64[S]], keys, values, [key scales, value scales]).

    Rows position..position+S-1 are written; those beyond the cache are dropped. Where each token is of a sequence of
    its own, `position` is i64[S], `slot` says in whose cache, and the tensors are those of slot 0.
    """
    tokens = 1 if cache.slot_bytes else S

    @T.jit(private=True)
    def cache_append(
        k: T.Buffer((cache.KH, S, cache.D), "float32"),
        v: T.Buffer((cache.KH, S, cache.Dv), "float32"),
        position: T.Buffer((S // tokens,), "int64"),
        slot: T.Optional(T.Buffer((S,), "int64")),
        keys: T.Buffer(cache.keys, cache.dtype),
        values: T.Buffer(cache.values, cache.dtype),
        k_scale: T.Optional(T.Buffer(cache.scales, "float32")),
        v_scale: T.Optional(T.Buffer(cache.scales, "float32")),
    ) -> None:
        for i in T.parallel(S * cache.KH):
            s: T.let = i // cache.KH
            head: T.let = i % cache.KH
            row: T.let = T.cast(position[s // tokens], "int32") + s % tokens
            if row < cache.tiles * LANES:
                append(cache, k, v, s, head, row, of_token(cache, [keys, values, k_scale, v_scale], slot, s))

    absent = {} if cache.dtype == "int8" else {"k_scale": None, "v_scale": None}
    return cache_append.specialize(**absent, **({} if cache.slot_bytes else {"slot": None}))


def of_token(cache: KvCache, tensors: list[Buffer | None], slot: Buffer | None, s: Scalar) -> list[Buffer | None]:
    """The tensors of the cache that a token's row goes to."""
    if slot is None:
        return tensors
    number = materialize(slot[s], "int64", 1)
    return [of_slot(tensor, cache, number) for tensor in tensors]


def append(
    cache: KvCache, k: Buffer, v: Buffer, s: Scalar, head: Scalar, row: Scalar, tensors: list[Buffer | None]
) -> None:
    """Writes one token's key and value of one head into a row."""
    keys, values, k_scale, v_scale = tensors
    k_factor = factor_of(k, k_scale, head, s, row)
    with T.serial(cache.D) as d:
        T.buffer_store(keys, encoded(cache, k[head, s, d], k_factor, 1), [head, row // LANES, d, row % LANES])
    append_value(cache, values, v, factor_of(v, v_scale, head, s, row), head, s, row)


def append_value(
    cache: KvCache, values: Buffer, v: Buffer, factor: Scalar, head: Scalar, s: Scalar, row: Scalar
) -> None:
    """Writes a row of values; what makes it whole vectors stays as it is, for nobody uses it."""
    lanes = lanes_of(cache.Dv)
    with T.serial(cache.Dv // lanes) as vector:
        at = span(vector * lanes, lanes)
        T.buffer_store(values, encoded(cache, v[head, s, at], factor, lanes), [head, row, at])


def factor_of(x: Buffer, scales: Buffer, head: Scalar, s: Scalar, row: Scalar) -> Scalar:
    """Stores the scale max|x| / 127 of a row; what the row is multiplied by to give its codes."""
    if scales is None:
        return materialize(T.float32(1), "float32", 1)
    width = int(x.shape[2])
    lanes = lanes_of(width)
    largest = T.alloc_buffer((lanes,), "float32")
    T.buffer_store(largest, zeros("float32", lanes), [span(0, lanes)])
    with T.serial(width // lanes) as vector:
        value = materialize(x[head, s, span(vector * lanes, lanes)], "float32", lanes)
        magnitude = T.max(value, zeros("float32", lanes) - value)
        T.buffer_store(largest, T.max(largest[span(0, lanes)], magnitude), [span(0, lanes)])
    max_abs = horizontal_reduce(T.max, largest[span(0, lanes)], "float32", lanes)
    T.buffer_store(scales, max_abs / T.float32(_LARGEST), [head, row // LANES, row % LANES])
    return materialize(
        T.Select(max_abs > T.float32(_SMALLEST), T.float32(_LARGEST) / max_abs, T.float32(0)), "float32", 1
    )


def encoded(cache: KvCache, value: Vector, factor: Scalar, lanes: int) -> Vector:
    """Values as the cache holds them."""
    if cache.dtype != "int8":
        return T.cast(value, of(cache.dtype, lanes))
    shifted = materialize(value * fill(factor, lanes) + fill(T.float32(_ROUND), lanes), "float32", lanes)
    code = materialize(T.cast(shifted - fill(T.float32(_ROUND), lanes), of("int32", lanes)), "int32", lanes)
    return T.cast(code, of("int8", lanes))


def reference(
    k: npt.NDArray[np.float32], v: npt.NDArray[np.float32], position: int, tensors: list[npt.NDArray[Any]]
) -> list[npt.NDArray[Any]]:
    """In NumPy: new copies of the cache's tensors with the rows from `position` on replaced.

    Args:
        k: f32[KH,S,D].
        v: f32[KH,S,Dv].
        position: The first row.
        tensors: Keys, values and, of int8, their scales, as `KvCache` shapes them.
    """
    keys, values, *scales = (tensor.copy() for tensor in tensors)
    rows = untile_keys(keys)
    stop = min(position + k.shape[1], rows.shape[1])
    new = [x[:, : stop - position] for x in (k, v)]
    for scale, x in zip(scales, new, strict=False):
        scale.reshape(len(scale), -1)[:, position:stop] = quantize(x)[1]
    coded = [quantize(x)[0] if scales else x.astype(keys.dtype) for x in new]
    rows[:, position:stop] = coded[0]
    values[:, position:stop, : v.shape[2]] = coded[1]
    return [tile_keys(rows), values, *scales]


def cost(cache: KvCache, S: int) -> Cost:
    """Operations and bytes."""
    read = size("float32", cache.KH, S, cache.D + cache.Dv) + size("int64", 1)
    return Cost({}, read, cache.KH * S * cache.row_bytes)


def accepts(target: KernelTarget, operator: CacheAppend) -> Specialization:
    """Every cache."""
    cache, tokens = operator.cache, operator.tokens
    return Specialization(
        symbol("cache_append", cache.KH, tokens, cache.D, batch=cache.slot_bytes > 0), (cache, tokens), rows=tokens
    )


KERNEL = Kernel(CacheAppend, accepts, build, cost, reference, WorkKind.MOVE)
