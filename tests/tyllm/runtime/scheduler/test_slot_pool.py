"""Slots: who gets which, what is copied, what is evicted, and what that takes."""

import numpy as np
import pytest

from tyllm.runtime.cache.positions import MropePositions
from tyllm.runtime.prompt.prompt import Insert, Prompt
from tyllm.runtime.prompt.rope_index import Span, rope_index

STEM = list(range(30))


@pytest.fixture
def pool(serve):
    return serve(slots=3).pool


def keys(tokens):
    return [None, *tokens]


def fill(pool, tokens, spare=0):
    """Take a slot for tokens and say that they were fed."""
    slot = pool.take(keys(tokens), Prompt(tokens), spare)
    slot.prefix.extend(Prompt(tokens)[len(slot) :])
    return slot


def test_a_prefix_is_gone_on_with_in_place_where_nothing_else_is_lost(pool):
    first = fill(pool, STEM)
    pool.put_back(first, keys(STEM))
    again = pool.take(keys([*STEM, 7]), Prompt([*STEM, 7]), 0)
    assert again is first and len(again) == 30


def test_a_long_tail_is_kept_and_a_busy_slot_left_alone(pool):
    first = fill(pool, [*STEM, *[5] * 20])
    pool.note(first, keys(first.prefix.tokens))
    second = pool.take(keys([*STEM, 7]), Prompt([*STEM, 7]), 0)  # of a busy one
    assert second is not first and second.prefix.tokens == STEM
    pool.put_back(first, keys(first.prefix.tokens))
    third = pool.take(keys([*STEM, 8]), Prompt([*STEM, 8]), 0)  # whichever has no more than the stem is still busy
    assert third not in (first, second) and third.prefix.tokens == STEM and len(first) == 50
    fourth = pool.take(keys([*STEM, 9]), Prompt([*STEM, 9]), 0)  # there is no other
    assert fourth is first and fourth.prefix.tokens == STEM
    assert pool.take(keys([1]), Prompt([1]), 0) is None


def test_the_last_token_is_always_fed(pool):
    pool.put_back(fill(pool, STEM), keys(STEM))
    assert len(pool.take(keys(STEM), Prompt(STEM), 0)) == 29


def test_the_least_recently_used_goes_first(pool):
    slots = [fill(pool, [number] * 10) for number in range(3)]
    for slot in (slots[1], slots[0], slots[2]):
        pool.put_back(slot, keys(slot.prefix.tokens))
    assert pool.take(keys([9]), Prompt([9]), 0) is slots[1]
    assert pool.cached_length(keys([0] * 12), Prompt([0] * 12)) == 10
    assert pool.cached_length(keys([1] * 12), Prompt([1] * 12)) == 0


def test_memory_is_taken_from_cached_prefixes_only(pool, monkeypatch):
    released = []
    monkeypatch.setattr(pool._engine, "release_slot", released.append)
    pool.budget = 60
    first, second = fill(pool, [1] * 20), fill(pool, [2] * 20)
    assert pool.used_bytes == 42
    assert pool.take(keys([3] * 20), Prompt([3] * 20), 0) is None  # and nothing was evicted for nothing
    assert released == []
    pool.put_back(first, keys([1] * 20))
    third = pool.take(keys([3] * 20), Prompt([3] * 20), 0)
    assert third not in (first, second) and released == [first.number]
    assert pool.used_bytes == 42
    assert pool.grow(third, 39) and not pool.grow(third, 40)
    pool.evict(third)
    assert pool.used_bytes == 21 and pool.grow(second, 60)


def test_requests_of_another_salt_share_nothing(pool):
    slot = fill(pool, STEM)
    pool.put_back(slot, ["theirs", *STEM])
    assert pool.cached_length(keys(STEM), Prompt(STEM)) == 0
    assert pool.cached_length(["theirs", *STEM, 1], Prompt([*STEM, 1])) == 30


def test_images_count_by_content_and_places_must_agree(serve, monkeypatch):
    served = serve(slots=2)

    def prompt(digest):
        return Prompt([1, 9, 9, 2, 3], (Insert(1, (2, 8), lambda: None, digest),))

    slot = served.pool.take([None, *prompt("cat").keys()], prompt("cat"), 0)
    slot.prefix.extend(prompt("cat"))
    served.pool.put_back(slot, [None, *prompt("cat").keys()])
    assert served.pool.cached_length([None, *prompt("cat").keys()], prompt("cat")) == 4
    assert served.pool.cached_length([None, *prompt("dog").keys()], prompt("dog")) == 1
    monkeypatch.setattr(slot.positions, "shared_length", lambda prompt: 2)
    assert served.pool.cached_length([None, *prompt("cat").keys()], prompt("cat")) == 2


class FakeRope:
    """A table whose row is its three positions."""

    def __init__(self, rows):
        self.plain = self.table_of(rope_index(rows, []))

    def table_of(self, positions):
        return np.repeat(positions.T[:, None, :], 2, axis=1).astype(np.float32)


@pytest.mark.parametrize("copied", [False, True])
def test_tokens_count_on_where_an_image_stood_before(serve, copied):
    served = serve(slots=2)
    rope = FakeRope(64)
    for slot in served.model.slots:
        slot.positions = MropePositions(rope)
    seeing = Prompt([1, 2, 3, *[9] * 8, 4], (), rope_index(12, [Span(3, (1, 2, 4), 1)]))
    first = fill(served.pool, seeing.tokens)
    first.positions.assign(0, seeing)
    if copied:
        served.pool.note(first, keys(seeing.tokens))
    else:
        served.pool.put_back(first, keys(seeing.tokens))
    plain = Prompt([1, 2, 3])
    slot = served.pool.take(keys(plain.tokens), plain, 0)
    assert (slot is first) != copied and len(slot) == 2
    io = {"rope_param": np.zeros((8, 2, 3), np.float32)}
    slot.positions.write_inputs(io, range(8), 2)
    assert io["rope_param"][:, 0, 0].tolist() == [2, 3, 4, 5, 6, 7, 8, 9]
