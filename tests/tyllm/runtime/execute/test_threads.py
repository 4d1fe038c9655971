"""Threads are divided over the dies."""

import numpy as np
import pytest

from tyllm.runtime.execute import threads
from tyllm_base.errors import SettingError


@pytest.mark.parametrize(
    ("count", "dies", "expected"), [(8, 2, 4), (7, 2, 3), (1, 4, 1), (4, 1, 4), (np.int64(4), 2, 2)]
)
def test_threads_are_divided_over_the_dies(count, dies, expected):
    assert threads.workers_per_die(count, dies) == expected


def test_no_threads_at_all():
    with pytest.raises(SettingError, match="0 threads cannot run anything"):
        threads.workers_per_die(0, 2)


def test_by_default_as_many_as_are_of_use(monkeypatch):
    monkeypatch.setattr(threads, "available_threads", lambda: 6)
    assert threads.workers_per_die(None, 2) == 3


def test_a_word_for_the_number():
    with pytest.raises(SettingError, match="'all' threads cannot run"):
        threads.workers_per_die("all", 1)
