"""A driver's answer is a sample, and a program that is far behind sits out."""

import json
import sys
from pathlib import Path

import pytest
from baselines.vision_tower.engines import ENGINES, TowerEngine
from baselines.vision_tower.rounds import Job, TowerRun, TowerSample, fastest, is_far, measure


def test_a_program_that_was_far_behind_in_the_first_round_sits_out_the_others():
    run = TowerRun(threads=2, tower="A tower", grid=(4, 6))
    engines = ENGINES[:4]
    assert not any(is_far(run, engine, engines) for engine in engines)
    run.samples += [
        TowerSample(0, engine.name, 1.0, (seconds,)) for engine, seconds in zip(engines, (9, 3.5, 1, 2), strict=True)
    ]
    assert [is_far(run, engine, engines) for engine in engines] == [False, True, False, False]


def test_the_fastest_has_the_least_median(run):
    engine, seconds = fastest(run, ENGINES)
    assert (engine.name, seconds) == ("openvino-masks-sdpa", 0.1)
    assert fastest(run, []) is None


@pytest.fixture
def job(monkeypatch, tmp_path):
    """`job(program)`: an engine whose driver is this Python program."""
    monkeypatch.setattr("baselines.harness.driver_process.LOGS", tmp_path)

    def made(program):
        class Mine(TowerEngine):
            def command(self):
                return [sys.executable, "-c", program]

        return Job(Mine("tyllm", "TyLLM", "tyllm"), Path("model"), Path("data"))

    return made


def test_a_drivers_last_line_is_the_sample(job):
    found = {"start": 1.5, "seconds": [3.0, 1.0, 2.0], "peak_rss": 7, "cosine": 0.9, "worst_cosine": 0.8}
    measured = measure(job(f"print('noise'); print({json.dumps(found)!r})"), 2, 1)
    assert (measured.round, measured.time, measured.peak_rss, measured.worst_cosine) == (1, 2.0, 7, 0.8)


def test_a_driver_that_fails_gives_a_sample_with_its_last_words(job):
    assert measure(job("raise RuntimeError('no such model')"), 2, 0).error.startswith("RuntimeError: no such model")
