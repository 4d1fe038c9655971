"""The cover of a prompt is exact, fits the cache, and is the cheapest."""

import itertools

import pytest

from tyllm.runtime.step.prefill_chunks import cover, step_cost
from tyllm_base.errors import GenerationError


def lengths(count, seq_lens, room=10_000):
    return [(chunk.seq_len, chunk.count) for chunk in cover(count, seq_lens, room)]


@pytest.mark.parametrize("seq_lens", [(1,), (8,), (1, 8), (1, 8, 96), (3, 5)])
@pytest.mark.parametrize("count", [1, 2, 7, 8, 9, 15, 16, 97, 200])
def test_every_token_is_run_once_and_only_the_last_chunk_is_padded(seq_lens, count):
    chunks = cover(count, seq_lens, 10_000)
    assert sum(chunk.count for chunk in chunks) == count
    assert [chunk.start for chunk in chunks] == [0, *itertools.accumulate(c.count for c in chunks)][:-1]
    assert all(chunk.count == chunk.seq_len for chunk in chunks[:-1])
    assert all(1 <= chunk.count <= chunk.seq_len for chunk in chunks)


def test_larger_chunks_come_first():
    assert lengths(105, (1, 8, 96)) == [(96, 96), (8, 8), (1, 1)]


def test_padding_is_cheaper_than_many_small_steps():
    assert lengths(13, (1, 8)) == [(8, 8), (8, 5)]
    assert lengths(9, (1, 8)) == [(8, 8), (1, 1)]
    assert lengths(3, (1, 96)) == [(1, 1)] * 3


def test_no_padding_where_the_cache_has_no_room():
    assert lengths(5, (1, 8), room=8) == [(8, 5)]
    assert lengths(5, (1, 8), room=7) == [(1, 1)] * 5


@pytest.mark.parametrize("count", range(1, 20))
def test_no_other_cover_is_cheaper(count):
    seq_lens = (1, 3, 8)
    best = min(
        sum(map(step_cost, choice))
        for steps in range(1, count + 1)
        for choice in itertools.combinations_with_replacement(seq_lens, steps)
        if sum(choice) - max(choice) < count <= sum(choice)
    )
    assert sum(step_cost(chunk.seq_len) for chunk in cover(count, seq_lens, 10_000)) == pytest.approx(best)


def test_what_cannot_be_covered():
    with pytest.raises(GenerationError, match=r"5 tokens do not fit the 6 rows left in the cache in steps of \[8\]"):
        cover(5, (8,), 6)
