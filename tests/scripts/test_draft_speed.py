"""The table of what drafts gain, measured on the toy package."""

import draft_speed
from tests.tyllm.conftest import toy, toy_library

__all__ = ["toy", "toy_library"]


def test_each_number_of_drafted_tokens_is_measured(toy):
    package = toy(dies=1, batch_sizes=(8,), max_kv_cache_size=512)
    speeds = draft_speed.measure(package, [0, 3], rounds=2, tokens=12, threads=1)
    assert [each.num_tokens for each in speeds] == [0, 3] and all(len(each.rates) == 2 for each in speeds)
    assert speeds[0].drafted == 0 and speeds[0].token_ids == speeds[1].token_ids
    rows = draft_speed.rows_of(speeds)
    assert rows[0][3] == "1.00" and [row[-1] for row in rows] == ["yes", "yes"]
