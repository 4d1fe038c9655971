"""The limits' spread over a run, and their units."""

from baselines.harness.limits_table import limit_spreads, limits_table
from baselines.harness.spread import Spread

LIMITS = [{"read": 20e9}, {"read": 22e9, "vpdpbusd": 1e12}, {"read": 24e9}]


def test_each_kind_has_the_spread_of_the_times_when_it_was_measured():
    assert limit_spreads(LIMITS) == {"read": Spread(22e9, 20e9, 24e9), "vpdpbusd": Spread(1e12, 1e12, 1e12)}


def test_bytes_and_operations_have_their_units():
    text = limits_table(LIMITS)
    assert "| reading memory | 22.0 (20.0–24.0) GB/s |" in text
    assert "| int8 vpdpbusd | 1000 Gop/s |" in text
