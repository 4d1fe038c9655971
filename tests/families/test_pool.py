"""The sweep goes on when a trial hangs or its process ends, and keeps what it found."""

import os
import time

import pytest
from tests.families import pool
from tests.families.trial import RIGHT, Outcome


@pytest.fixture
def _stand_ins(monkeypatch):
    """Trials that end well, hang, or take their process with them, by name."""

    def trial(model_type, changes, dies, method):
        if model_type == "hangs":
            time.sleep(60)
        if model_type == "dies":
            os._exit(1)
        return Outcome(model_type, RIGHT)

    monkeypatch.setattr(pool, "try_type", trial)


@pytest.mark.usefixtures("_stand_ins")
def test_a_trial_that_hangs_or_dies_ends_alone(tmp_path):
    found = {each.model_type: each for each in pool.try_all(["hangs", "dies", "ends"], (1,), tmp_path, seconds=0.5)}
    assert {name: each.result for name, each in found.items()} == {"hangs": "crash", "dies": "crash", "ends": "right"}
    assert found["hangs"].reason == "no result in time"
    assert pool.read_outcome(tmp_path / "ends.json") == found["ends"]
