"""What lies in a cache: compared with prompts, cut, and as arrays."""

import numpy as np
import pytest

from tyllm.runtime.cache.cached_prefix import Record
from tyllm.runtime.prompt.prompt import Insert, Prompt


def seeing(digest, *, before=(1, 2), count=3, after=(5,)):
    insert = Insert(len(before), (count, 2), lambda: np.zeros((count, 2), np.float32), digest)
    return Prompt([*before, *[9] * count, *after], (insert,))


def record_of(*prompts):
    record = Record()
    for prompt in prompts:
        record.add(prompt)
    return record


@pytest.mark.parametrize(
    ("prompt", "common"),
    [
        (seeing("a"), 6),
        (seeing("b"), 2),
        (seeing("a", count=2), 4),
        (seeing("a", before=(1,)), 1),
        (Prompt([1, 2, 9, 9, 9, 5]), 2),
        (seeing("a", after=(5, 6, 7)), 6),
        (seeing("a")[:4], 4),
    ],
)
def test_an_image_is_common_only_if_it_is_the_same(prompt, common):
    assert record_of(seeing("a")).common(prompt) == common


def test_a_prompt_fed_in_parts_is_the_prompt():
    whole = seeing("a")
    assert record_of(whole[:3], whole[3:4], whole[4:]).common(whole) == len(whole)


def test_unknown_embeddings_are_never_common():
    prompt = Prompt.of_embeddings(np.zeros((3, 2), np.float32))
    assert record_of(prompt).common(prompt) == 0


def test_cut_forgets():
    record = record_of(seeing("a"))
    record.cut(4)
    assert (len(record), record.tokens, record.common(seeing("a"))) == (4, [1, 2, 9, 9], 4)


def test_arrays_bring_it_back():
    record = record_of(seeing("a"), seeing("b"), seeing("a"))
    again = Record.of(record.arrays())
    assert again.tokens == record.tokens
    assert again.common(Prompt([1, 2])) == 2
    assert again.arrays().keys() == record.arrays().keys()
    assert all(np.array_equal(again.arrays()[name], record.arrays()[name]) for name in record.arrays())
    assert len(Record.of(Record().arrays())) == 0
