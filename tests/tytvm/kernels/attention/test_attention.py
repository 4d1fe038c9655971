"""Attention against its definition: head ratios, positions, windows, soft caps, widths, types of cache, cuts."""

from dataclasses import replace

import numpy as np
import pytest
from tests.tytvm.kernels.harness import Kernel, outputs, slots_of

from tytvm.kernels.attention import attention, attention_merge
from tytvm.kernels.operands.attention_tiling import Attention
from tytvm.kernels.operands.kv_cache import KvCache, quantize, tile_keys
from tytvm.target import resolve

CASES = [
    # H, KH, S, D, Dv, window, softcap
    (2, 2, 1, 64, 64, 0, 0.0),
    (4, 2, 5, 80, 80, 0, 0.0),
    (7, 1, 2, 96, 128, 33, 0.0),
    (14, 2, 1, 128, 64, 0, 30.0),
    (2, 1, 8, 72, 40, 9, 5.0),
    (1, 1, 1, 112, 112, 0, 0.0),
    (3, 3, 96, 64, 64, 0, 0.0),
    (28, 4, 16, 128, 128, 50, 0.0),
    (14, 2, 40, 64, 72, 0, 50.0),
]


class Run:
    """An attention, built; called with float32 queries, keys [KH, C, D] and values [KH, C, Dv]."""

    def __init__(self, target, shape):
        self.spec, self.shape = resolve(target), shape
        self.tiling = attention.tiling_of(self.spec, shape)
        self.kernel = Kernel(attention.build(self.spec, shape), self.spec)
        self.merge = (
            Kernel(attention_merge.build(self.spec, self.tiling), self.spec) if self.tiling.splits > 1 else None
        )

    def __call__(self, q, k, v, position, sinks=None, slopes=None):
        return self.on(q, stored(self.shape.cache, k, v), np.array([position]), sinks=sinks, slopes=slopes)

    def on(self, q, cache, *places, used=None, sinks=None, slopes=None):
        """With the cache's tensors, which are not copied, and what says where the tokens are; of a batch, how many."""
        out = np.empty((self.shape.S, self.shape.H, self.shape.cache.Dv), np.float32)
        own = [np.empty(*each) for each in attention.own_buffers(self.tiling)]
        count = [np.array([used])] if self.shape.cache.slot_bytes else []
        first, last = ([] if each is None else [each] for each in (slopes, sinks))
        inputs = *count, q, *cache, *places, *first
        if self.merge is None:
            return outputs(self.kernel, (*inputs, *last), out, *own, workers=3)[0]
        partial = outputs(self.kernel, inputs, *own, workers=3)[1:]
        return outputs(self.merge, (*partial, *last), out, workers=3)[0]


def stored(cache, k, v):
    """Keys and values as a cache holds them."""
    wide = np.full((*v.shape[:2], cache.values[2]), np.nan, np.float32)
    wide[..., : cache.Dv] = v
    if cache.dtype == "float16":
        return tile_keys(k.astype(np.float16)), wide.astype(np.float16)
    (k_codes, k_scale), (v_codes, v_scale) = quantize(k), quantize(np.nan_to_num(wide))
    return tile_keys(k_codes), v_codes, k_scale.reshape(cache.scales), v_scale.reshape(cache.scales)


def rounded(cache, x):
    """What the cache's type leaves of x."""
    if cache.dtype == "float16":
        return x.astype(np.float16).astype(np.float32)
    codes, scale = quantize(x)
    return codes * scale[..., None]


def compare(target, case, C, positions, dtype="float16", coarse=False, chunk=0, sinks=None, slopes=None):
    H, KH, S, D, Dv, window, softcap = case
    shape = Attention(
        KvCache(KH, C, D, Dv, dtype),
        H,
        S,
        D**-0.5,
        window,
        softcap,
        coarse,
        chunk,
        sinks is not None,
        slopes is not None,
    )
    close = {"rtol": 0.02, "atol": 0.03} if coarse else {"rtol": 1e-4, "atol": 1e-5}
    run, rng = Run(target, shape), np.random.default_rng(D)
    for position in positions:
        q = rng.normal(0, 2, (H, S, D)).astype(np.float32)
        k, v = (rng.normal(size=(KH, shape.cache.values[1], width)).astype(np.float32) for width in (D, Dv))
        expected = attention.reference(
            q,
            rounded(shape.cache, k),
            rounded(shape.cache, v),
            position,
            D**-0.5,
            window,
            softcap,
            chunk,
            sinks,
            slopes,
        )
        k[:, position + S :], v[:, position + S :] = np.nan, np.nan  # rows that nobody may let in
        with np.errstate(invalid="ignore"):
            np.testing.assert_allclose(run(q, k, v, position, sinks, slopes), expected, **close)


@pytest.mark.parametrize("case", CASES)
def test_equals_reference(case):
    compare("native", case, 1000 + case[2], (0, 1, 17, 1000))


@pytest.mark.parametrize("case", CASES[1:5] + CASES[6:7])
@pytest.mark.parametrize("target", ["x86-64", "x86-64-v3"])
def test_equals_reference_on_any_cpu(target, case):
    compare(target, case, 200, (0, 17, 200 - case[2]))


@pytest.mark.parametrize("case", [CASES[0], CASES[4], CASES[6]])
def test_an_int8_cache(case):
    compare("native", case, 300, (0, 17, 300 - case[2]), "int8")


@pytest.mark.parametrize("case", [(4, 2, 1, 64, 64, 0, 0.0), (4, 2, 9, 64, 64, 0, 0.0), (2, 2, 40, 64, 64, 0, 0.0)])
@pytest.mark.parametrize("coarse", [False, True])
def test_chunks_that_attention_stays_within(case, coarse):
    """Positions at both sides of the edges of chunks, which are no edges of tiles."""
    compare("native", case, 300, (0, 17, 49, 50, 51, 250, 259), coarse=coarse, chunk=50)


@pytest.mark.parametrize("case", [CASES[0], CASES[2], CASES[4], CASES[6], CASES[8]])
@pytest.mark.parametrize("coarse", [False, True])
def test_sinks_take_their_share(case, coarse):
    """Light ones, and some that leave next to nothing."""
    sinks = np.linspace(-4, 8, case[0]).astype(np.float32)
    compare("native", case, 300, (0, 17, 250), coarse=coarse, sinks=sinks)


@pytest.mark.parametrize("case", [CASES[0], CASES[2], (4, 2, 9, 64, 64, 0, 0.0), CASES[6], CASES[8]])
@pytest.mark.parametrize("coarse", [False, True])
def test_slopes_by_head(case, coarse):
    """ALiBi, beside a window and a soft cap too, and beside sinks."""
    slopes = 2.0 ** -np.linspace(1, 8, case[0], dtype=np.float32)
    sinks = np.linspace(-1, 1, case[0]).astype(np.float32)
    compare("native", case, 300, (0, 17, 250), coarse=coarse, slopes=slopes)
    compare("native", case, 300, (0, 100), coarse=coarse, slopes=slopes, sinks=sinks)


@pytest.mark.parametrize("S", [1, 40])
def test_the_heaviest_sink_leaves_zeros(S):
    shape = Attention(KvCache(1, 48, 64, 64), 1, S, 1.0, sinks=True)
    q, k, v = np.zeros((1, S, 64), np.float32), np.zeros((1, 48, 64), np.float32), np.ones((1, 48, 64), np.float32)
    found = Run("native", shape)(q, k, v, 0, np.array([1e6], np.float32))
    np.testing.assert_allclose(found, 0, atol=1e-6)


@pytest.mark.parametrize("dtype", ["float16", "int8"])
@pytest.mark.parametrize("case", [(14, 2, 8, 80, 80, 9, 0.0), *CASES[6:]])
def test_products_of_rounded_factors(case, dtype):
    """On a CPU with AMX queries, keys, weights and values are bfloat16; elsewhere nothing is rounded."""
    compare("native", case, 400, (0, 17, 390), dtype, coarse=True)


def test_a_long_cache():
    compare("native", (2, 1, 1, 64, 64, 0, 0.0), 40000, (39999,))


@pytest.mark.parametrize("S", [1, 40])
def test_large_scores_do_not_overflow(S):
    shape = Attention(KvCache(1, 48, 64, 64), 1, S, 1.0)
    q = np.full((1, S, 64), 300, np.float32)
    k = np.repeat(np.tile([-40, 40, 39], 16), 64).reshape(1, 48, 64).astype(np.float32)
    v = np.eye(48, 64)[None].astype(np.float32)
    expected = attention.reference(q, k, v, 2, 1.0)
    np.testing.assert_allclose(Run("native", shape)(q, k, v, 2), expected, atol=1e-6)


@pytest.mark.parametrize(("KH", "S", "splits"), [(1, 1, 16), (2, 1, 8), (16, 1, 1), (2, 512, 1)])
def test_a_long_conversation_is_shared_by_all_workers(KH, S, splits):
    assert attention.tiling_of(resolve("native"), Attention(KvCache(KH, 4096, 64, 64), 16, S, 0.125)).splits == splits


class Batch:
    """An attention over three slots, built for some rows; keys and values are random."""

    def __init__(self, target, case, rows, dtype, chunk=0, by_head=False):
        self.H, KH, self.D, Dv, self.window, self.softcap = case
        self.chunk, self.sinks = chunk, np.linspace(-2, 4, self.H).astype(np.float32) if by_head else None
        self.slopes = np.linspace(0.02, 0.5, self.H).astype(np.float32) if by_head else None
        self.plain, self.rng = KvCache(KH, 1000, self.D, Dv, dtype), np.random.default_rng(self.H)
        self.caches = [[self.rng.normal(size=(KH, self.plain.values[1], width)).astype(np.float32)
                        for width in (self.D, Dv)] for _ in range(3)]  # fmt: skip
        self.first, slot_bytes = slots_of([stored(self.plain, *each) for each in self.caches])
        cache = replace(self.plain, slot_bytes=slot_bytes)
        settings = self.window, self.softcap, False, chunk, by_head, by_head
        self.run = Run(target, Attention(cache, self.H, rows, self.D**-0.5, *settings))

    def queries(self):
        return self.rng.normal(0, 2, (self.H, self.run.shape.S, self.D)).astype(np.float32)

    def __call__(self, q, slot, position):
        """Of the rows that are given; those behind them are not in use."""
        places = [np.array([*each, *[7] * (q.shape[1] - len(slot))]) for each in (position, slot)]
        return self.run.on(q, self.first, *places, used=len(slot), sinks=self.sinks, slopes=self.slopes)[: len(slot)]

    def reference(self, q, slot, position):
        rows = []
        for s, (number, place) in enumerate(zip(slot, position, strict=True)):
            k, v = (rounded(self.plain, each) for each in self.caches[number])
            settings = self.D**-0.5, self.window, self.softcap, self.chunk, self.sinks, self.slopes
            rows.append(attention.reference(q[:, s : s + 1], k, v, place, *settings)[0])
        return np.stack(rows)


SEQUENCES = {
    "neighbors and others": ([2, 2, 0, 1, 1, 1, 2, 0, 0], [16, 17, 0, 897, 898, 899, 18, 300, 302]),
    "all of one sequence": ([1] * 12, list(range(500, 512))),
    "two parts of one sequence": ([1] * 12, [*range(120, 128), *range(40, 44)]),
    "neighbors by number in two slots": ([0, 1, 1, 2], [20, 21, 22, 23]),
    "backwards": ([0, 0, 0], [9, 8, 7]),
    "one": ([2], [63]),
}


@pytest.mark.parametrize("dtype", ["float16", "int8"])
@pytest.mark.parametrize(
    "case",
    [(4, 4, 64, 64, 0, 0.0), (14, 2, 64, 80, 0, 30.0), (7, 1, 96, 64, 33, 0.0), (40, 1, 64, 64, 0, 0.0)],
)
def test_a_batch_equals_the_reference(case, dtype):
    """Rows of three slots, alone and beside neighbors in their sequence; of forty heads at most five share a pass."""
    batch = Batch("native", case, 12, dtype)
    for name, (slot, position) in SEQUENCES.items():
        q = batch.queries()
        expected = batch.reference(q, slot, position)
        np.testing.assert_allclose(batch(q, slot, position), expected, rtol=1e-4, atol=1e-5, err_msg=name)


@pytest.mark.parametrize("case", [(4, 4, 64, 64, 0, 0.0), (7, 1, 96, 64, 0, 0.0)])
@pytest.mark.parametrize("rows", [12, 32])
def test_chunks_sinks_and_slopes_of_a_batch(case, rows):
    """Split and whole contexts, neighbors across the edge of a chunk."""
    batch = Batch("native", case, rows, "float16", chunk=18, by_head=True)
    for name, (slot, position) in SEQUENCES.items():
        q = batch.queries()
        expected = batch.reference(q, slot, position)
        np.testing.assert_allclose(batch(q, slot, position), expected, rtol=1e-4, atol=1e-5, err_msg=name)


@pytest.mark.parametrize("target", ["x86-64", "x86-64-v3"])
def test_a_batch_equals_the_reference_on_any_cpu(target):
    batch = Batch(target, (6, 2, 64, 64, 0, 0.0), 32, "float16")
    slot, position = [*[0] * 20, 1, *[2] * 7], [*range(100, 120), 5, *range(7)]
    q = batch.queries()
    np.testing.assert_allclose(batch(q, slot, position), batch.reference(q, slot, position), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("dtype", ["float16", "int8"])
@pytest.mark.parametrize("rows", [4, 32])
def test_a_row_is_given_the_same_beside_neighbors_as_alone(rows, dtype):
    """Bit for bit, where the context is not split."""
    batch = Batch("native", (8, 8, 64, 64, 0, 0.0), rows, dtype)
    assert batch.run.tiling.splits == 1
    slot, position = [1] * rows, list(range(300, 300 + rows))
    q = batch.queries()
    together = batch(q, slot, position)
    for row in range(rows):
        alone = batch(np.roll(q, -row, axis=1), slot[row : row + 1], position[row : row + 1])
        np.testing.assert_array_equal(together[row], alone[0])
