"""Appending to the cache: the new rows are written, the others stay, and nothing is written past the end."""

from dataclasses import replace

import numpy as np
import pytest
from tests.tytvm.kernels.harness import Kernel, slots_of

from tytvm.kernels.attention import cache_append
from tytvm.kernels.operands.kv_cache import KvCache
from tytvm.target import resolve

C = 48


@pytest.mark.parametrize("target", ["native", "x86-64"])
@pytest.mark.parametrize("dtype", ["float16", "int8"])
@pytest.mark.parametrize(("KH", "S", "D", "Dv"), [(1, 1, 64, 64), (4, 8, 80, 72), (2, 19, 128, 40)])
def test_equals_reference(target, dtype, KH, S, D, Dv):
    rng = np.random.default_rng(S)
    cache = KvCache(KH, C, D, Dv, dtype)
    kernel = Kernel(cache_append.build(resolve(target), cache, S), resolve(target))
    k, v = (rng.normal(0, 100, (KH, S, width)).astype(np.float32) for width in (D, Dv))
    if dtype == "float16":
        k.flat[:4] = [7e4, -7e4, 1e-7, 65519.9]  # overflow, a subnormal, the last value that rounds down
    else:
        k[0, 0] = 0
    before = [rng.integers(-9, 9, shape).astype(kind) for shape, kind in cache.tensors.values()]
    for position in (0, 1, 17, C - S, C - 1):
        with np.errstate(over="ignore"):
            expected = cache_append.reference(k, v, position, before)
        after = kernel(k, v, np.array([position]), *before, workers=3)[3:]
        for written, wanted in zip(after, expected, strict=True):
            if written.dtype == np.float32:
                np.testing.assert_allclose(written, wanted, rtol=1e-6)
            else:
                np.testing.assert_array_equal(written, wanted)


@pytest.mark.parametrize("dtype", ["float16", "int8"])
def test_tokens_of_sequences_of_their_own(dtype):
    """Each goes into its slot's cache, two neighbors of one sequence among them; all other rows stay."""
    slot, position = [2, 0, 2, 1, 0], [7, C - 1, 8, C, 0]  # one beyond the cache
    plain, rng = KvCache(2, C, 80, 72, dtype), np.random.default_rng(1)
    k, v = (rng.normal(0, 9, (2, len(slot), width)).astype(np.float32) for width in (80, 72))
    before = [[rng.integers(-9, 9, shape).astype(kind) for shape, kind in plain.tensors.values()] for _ in range(3)]
    first, slot_bytes = slots_of(before)
    kernel = Kernel(
        cache_append.build(resolve("native"), replace(plain, slot_bytes=slot_bytes), len(slot)), resolve("native")
    )
    kernel(k, v, np.array(position), np.array(slot), *first, workers=3)
    for s, (number, place) in enumerate(zip(slot, position, strict=True)):
        before[number] = cache_append.reference(k[:, s : s + 1], v[:, s : s + 1], place, before[number])
    for number, tensors in enumerate(before):
        for start, wanted in zip(first, tensors, strict=True):
            written = start[number * slot_bytes // wanted.itemsize :][: wanted.size].reshape(wanted.shape)
            np.testing.assert_allclose(written, wanted, rtol=1e-6)
