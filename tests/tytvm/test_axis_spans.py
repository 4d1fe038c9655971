"""Axes and heads over dies: contiguous, complete, never through a unit."""

import pytest

from tyllm_base.errors import SettingError
from tytvm.axis_spans import even_spans, split_axis, split_heads


@pytest.mark.parametrize("count", [0, 1, 7, 148])
@pytest.mark.parametrize("parts", [1, 2, 3, 8])
def test_spread_is_complete_and_even(count, parts):
    spans = even_spans(count, parts)
    assert [thing for start, stop in spans for thing in range(start, stop)] == list(range(count))
    sizes = [stop - start for start, stop in spans]
    assert max(sizes) - min(sizes) <= 1 and sizes == sorted(sizes, reverse=True)


def test_an_axis_is_cut_between_groups():
    assert split_axis(18944, 128, 3, "up_proj") == [(0, 6400), (6400, 12672), (12672, 18944)]  # 148 = 50 + 49 + 49
    assert split_axis(1003, 16, 2, "the vocabulary") == [(0, 512), (512, 1003)]  # the last unit is short


def test_more_dies_than_units():
    with pytest.raises(SettingError, match=r"up_proj: 640 in units of 128 .* 8 dies; use at most 5 dies\."):
        split_axis(640, 128, 8, "up_proj")


@pytest.mark.parametrize(
    ("heads", "dies", "query", "key_value"),
    [
        ((28, 4), 1, [28], [(0, 4)]),
        ((28, 4), 2, [14, 14], [(0, 2), (2, 4)]),
        ((28, 4), 3, [14, 7, 7], [(0, 2), (2, 3), (3, 4)]),
        ((28, 4), 4, [7, 7, 7, 7], [(0, 1), (1, 2), (2, 3), (3, 4)]),
        ((28, 4), 8, [4, 3, 4, 3, 4, 3, 4, 3], [(head, head + 1) for head in (0, 0, 1, 1, 2, 2, 3, 3)]),
        ((14, 2), 1, [14], [(0, 2)]),
        ((14, 2), 2, [7, 7], [(0, 1), (1, 2)]),
        ((14, 2), 3, [4, 3, 7], [(0, 1), (0, 1), (1, 2)]),
        ((14, 2), 4, [4, 3, 4, 3], [(0, 1), (0, 1), (1, 2), (1, 2)]),
        ((14, 2), 8, [2, 2, 2, 1, 2, 2, 2, 1], [(head, head + 1) for head in (0, 0, 0, 0, 1, 1, 1, 1)]),
        ((16, 16), 3, [6, 5, 5], [(0, 6), (6, 11), (11, 16)]),
    ],
)
def test_heads(heads, dies, query, key_value):
    split = split_heads(*heads, dies)
    assert [stop - start for start, stop in split.query] == query
    assert split.key_value == key_value


@pytest.mark.parametrize("heads", [(28, 4), (14, 2), (16, 16), (8, 1)])
@pytest.mark.parametrize("dies", [1, 2, 3, 4, 8])
def test_a_die_holds_the_key_value_heads_of_its_query_heads(heads, dies):
    """Head `h` of a die reads its key/value head `h // group`: the one that it reads in the whole model."""
    split, group = split_heads(*heads, dies), heads[0] // heads[1]
    assert [head for start, stop in split.query for head in range(start, stop)] == list(range(heads[0]))
    for (first, last), (own_first, own_last) in zip(split.query, split.key_value, strict=True):
        own_group = (last - first) // (own_last - own_first)
        for head in range(first, last):
            assert own_first + (head - first) // own_group == head // group


def test_more_dies_than_heads():
    with pytest.raises(SettingError, match=r"4 query heads in 4 .* 8 dies; use at most 4 dies\.") as caught:
        split_heads(4, 4, 8)
    assert caught.value.exit_code == 4
