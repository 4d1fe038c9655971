"""A measurement is timed by its own clock and compared with the reference."""

import argparse

import numpy as np
import pytest
from baselines.vision_tower.drivers import measurement


def test_a_measurement_is_timed_by_its_clock_and_compared_with_the_reference(monkeypatch, tmp_path):
    now = [0.0]
    for name in ("perf_counter", "monotonic"):
        monkeypatch.setattr(measurement.time, name, lambda: now[0])
    np.save(tmp_path / "patches.npy", np.ones((4, 2), np.float32))
    np.save(tmp_path / "reference.npy", np.float32([[1, 0], [1, 1]]))

    def tower(patches):
        now[0] += 2.0
        return np.float32([[3, 0], [0, 3]])

    given = argparse.Namespace(data=tmp_path, started=-1.0, repeats=5, seconds=5.0)
    found = measurement.measure(lambda given: tower, given)
    assert (found["start"], found["seconds"]) == (3.0, [2.0, 2.0, 2.0])
    assert found["cosine"] == pytest.approx(6 / 54**0.5)
    assert found["worst_cosine"] == pytest.approx(0.5**0.5)
