"""What lies in a cache: compared with prompts, cut, and as arrays."""

import numpy as np
import pytest

from tyllm.runtime.cache.cached_prefix import CachedPrefix
from tyllm.runtime.prompt.prompt import Insert, Prompt


def seeing(digest, *, before=(1, 2), count=3, after=(5,)):
    insert = Insert(len(before), (count, 2), lambda: np.zeros((count, 2), np.float32), digest)
    return Prompt([*before, *[9] * count, *after], (insert,))


def prefix_of(*prompts):
    prefix = CachedPrefix()
    for prompt in prompts:
        prefix.extend(prompt)
    return prefix


@pytest.mark.parametrize(
    ("prompt", "shared"),
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
def test_an_image_is_shared_only_if_it_is_the_same(prompt, shared):
    assert prefix_of(seeing("a")).shared_length(prompt) == shared


def test_a_prompt_fed_in_parts_is_the_prompt():
    whole = seeing("a")
    assert prefix_of(whole[:3], whole[3:4], whole[4:]).shared_length(whole) == len(whole)


def test_unknown_embeddings_are_never_shared():
    prompt = Prompt.of_embeddings(np.zeros((3, 2), np.float32))
    assert prefix_of(prompt).shared_length(prompt) == 0


def test_truncating_forgets():
    prefix = prefix_of(seeing("a"))
    prefix.truncate(4)
    assert (len(prefix), prefix.tokens, prefix.shared_length(seeing("a"))) == (4, [1, 2, 9, 9], 4)


def test_arrays_bring_it_back():
    prefix = prefix_of(seeing("a"), seeing("b"), seeing("a"))
    again = CachedPrefix.from_arrays(prefix.to_arrays(), range(10))
    assert again.tokens == prefix.tokens
    assert again.shared_length(Prompt([1, 2])) == 2
    assert again.to_arrays().keys() == prefix.to_arrays().keys()
    assert all(np.array_equal(again.to_arrays()[name], prefix.to_arrays()[name]) for name in prefix.to_arrays())
    assert len(CachedPrefix.from_arrays(CachedPrefix().to_arrays(), range(10))) == 0


@pytest.mark.parametrize(
    ("name", "at", "value", "words"),
    [
        ("tokens", 0, 10, "a token is outside 0 to 9"),
        ("tokens", 0, -1, "a token is outside 0 to 9"),
        ("tokens", 5, 10**12, "a token is outside"),
        ("seen", (0, 0), 2, "an image that is none of its 2"),
        ("seen", (0, 0), -2, "an image that is none"),
        ("seen", (0, 1), -1, "an image that is none"),
        ("digests", 1, "a", "an image twice"),
        ("digests", 1, "", "an image twice, or one for which no token stands"),
        ("seen", (slice(None), 0), -1, "one for which no token stands"),
    ],
)
def test_arrays_that_do_not_belong_together(name, at, value, words):
    arrays = prefix_of(seeing("a"), seeing("b")).to_arrays()
    arrays[name][at] = value
    with pytest.raises(ValueError, match=words):
        CachedPrefix.from_arrays(arrays, range(10))
