"""Median and range, written with three digits."""

from baselines.harness.spread import Spread, digits


def test_a_spread_is_the_median_with_its_range():
    assert Spread.of([3.0, 1.0, 2.0]) == Spread(2.0, 1.0, 3.0)
    assert Spread.of([]) is None


def test_one_value_has_no_range():
    assert Spread(2.0, 1.0, 30.0).text() == "2.00 (1.00–30.0)"
    assert Spread(2.0, 2.0, 2.0).text() == "2.00"


def test_three_digits_count():
    assert [digits(value) for value in (1234.5, 99.96, 12.34, 1.234, 0.456)] == [
        "1234", "100.0", "12.3", "1.23", "0.46",
    ]  # fmt: skip
