"""A share is what must be done at least, at the limit's pace, over what was measured."""

import pytest

from tyllm.bench import share as shares
from tyllm.bench.measure import Trial
from tyllm.bench.share import Share, share_of_limit
from tyllm.bench.work import Work

LIMITS = {"read": 1e6, "int8": 1e6, "float32": 1e6}


def test_decoding_against_reading(opened, monkeypatch):
    monkeypatch.setattr(shares, "CACHE_BYTES", 0)
    work = Work.of(opened)
    share = share_of_limit(work, Trial("tg", 9, 3), 100, LIMITS)
    assert share == Share("read", pytest.approx(100 * work.bytes_of_a_token(8) / 1e6))


def test_what_fits_the_caches_has_no_share(opened):
    assert share_of_limit(Work.of(opened), Trial("tg", 9, 3), 100, LIMITS) is None


def test_a_prompt_against_arithmetic(opened):
    share = share_of_limit(Work.of(opened), Trial("pp", 16, 0), 8, LIMITS)
    assert share == Share("int8", pytest.approx(2 * (16 * 600 + 400) / 1e6 / 2))
    assert str(Share("int8", 0.614)) == "61% of int8"


def test_products_of_two_types_take_the_time_of_both(opened, monkeypatch):
    work = Work.of(opened)
    monkeypatch.setattr(Work, "operations_of_a_prompt", lambda *_: {"int8": 1000, "bfloat16": 8000})
    share = share_of_limit(work, Trial("pp", 16, 0), 16, {"int8": 1e4, "tile_bfloat16": 4e4})
    assert share == Share("tile_bfloat16", pytest.approx(0.3))


def test_a_type_of_factors_that_nobody_knows_has_no_share(opened, monkeypatch):
    """What a package's program.json calls a type is text."""
    monkeypatch.setattr(Work, "operations_of_a_prompt", lambda *_: {"int8": 1000, "ternary": 8000})
    assert share_of_limit(Work.of(opened), Trial("pp", 16, 0), 16, LIMITS) is None


def test_without_the_limit_there_is_no_share(opened):
    assert share_of_limit(Work.of(opened), Trial("pp", 16, 0), 8, {"read": 1.0}) is None
