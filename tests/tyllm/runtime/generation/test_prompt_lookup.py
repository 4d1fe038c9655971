"""Prompt lookup finds what followed the last tokens, the latest time and by the longest match."""

import pytest

from tyllm.runtime.generation.prompt_lookup import PromptLookup


@pytest.mark.parametrize(
    ("tokens", "expected"),
    [
        ([], []),
        ([1], []),
        ([1, 2, 1], []),  # one token is no match
        ([1, 2, 3, 4, 1, 2], [3, 4, 1]),
        ([1, 2, 3, 1, 2, 4, 1, 2], [4, 1, 2]),  # the latest
        ([9, 1, 2, 3, 8, 1, 2, 4, 9, 1, 2], [3, 8, 1]),  # three tokens before two
        ([5, 5, 5, 5], [5]),  # no further than what there is
        ([1, 2, 3, -1, 1, 2], [3]),  # up to an embedding
    ],
)
def test_what_followed(tokens, expected):
    assert PromptLookup(tokens).draft(3) == expected


def test_it_grows_with_the_text():
    lookup = PromptLookup([1, 2, 3, 4])
    assert lookup.draft(2) == []
    lookup.push(1)
    lookup.push(2)
    assert lookup.draft(2) == [3, 4]
