"""Engines alternate, and a failure is a sample."""

import json
import sys

import pytest
from baselines.inference import rounds
from baselines.inference.engines import ENGINES, Engine
from baselines.inference.rounds import Job, described, jobs, measure
from baselines.inference.shapes import SHAPES


def test_engines_take_turns_within_a_length():
    order = [(job.engine.name, job.prompt) for job in jobs([SHAPES[0]], ENGINES[:2], {96, 512})]
    assert order == [("tyllm", 96), ("openvino", 96), ("tyllm", 512), ("openvino", 512)]


@pytest.fixture
def job(monkeypatch, tmp_path):
    """`job(program)`: an engine whose driver is this Python program."""
    monkeypatch.setattr("baselines.harness.driver_process.LOGS", tmp_path)

    def made(program):
        class Mine(Engine):
            def command(self):
                return [sys.executable, "-c", program]

        return Job(SHAPES[0], Mine("tyllm", "TyLLM", "tyllm"), 96)

    return made


def test_a_drivers_last_line_is_the_sample(job):
    found = {"start": 1.5, "prompt": [5.0], "decode": [2.0, 3.0], "peak_rss": 7}
    sample = measure(job(f"print('noise'); print({json.dumps(found)!r})"), 2, 1)
    assert (sample.round, sample.engine, sample.prompt, sample.start) == (1, "tyllm", 96, 1.5)
    assert (sample.prompt_rates, sample.decode_rates, sample.peak_rss) == ((5.0,), (2.0, 3.0), 7)
    assert described(sample) == "pp96 5.0  tg@96 3.0  start 1.50 s  0 MB"


def test_the_driver_is_told_what_to_measure(job):
    program = "import sys; raise SystemExit(' '.join(sys.argv[2:14]))"
    told = "--vocabulary 151936 --prompt 96 --new 33 --repeats 3 --threads 2 --seed 1"
    assert measure(job(program), 2, 1).error.startswith(told)


def test_a_driver_that_fails_gives_a_sample_with_its_last_words(job):
    sample = measure(job("raise RuntimeError('no such model')"), 2, 0)
    assert sample.error.startswith("RuntimeError: no such model")
    assert described(sample).startswith("failed: RuntimeError")


def test_a_driver_that_hangs_is_ended(job, monkeypatch):
    monkeypatch.setattr(rounds, "LONGEST", 0.2)
    assert "took longer" in measure(job("import time; time.sleep(60)"), 2, 0).error
