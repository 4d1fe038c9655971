"""Engines take turns under load, our parts follow, and a failure is a sample."""

import json
import sys

import pytest
from baselines.inference.shapes import SHAPES
from baselines.serving import rounds
from baselines.serving.engines import ENGINES, OURS, ServingEngine
from baselines.serving.rounds import Job, described, jobs, measure
from baselines.serving.samples import PARTS, Workload


def test_engines_take_turns_and_the_parts_are_ours():
    order = [(job.engine.name, job.part) for job in jobs([SHAPES[0]], ENGINES[:2], ["throughput", "steps"])]
    assert order == [("tyllm", "throughput"), ("openvino", "throughput"), ("tyllm", "steps")]
    assert jobs([SHAPES[0]], ENGINES[1:2], PARTS) == []


def test_the_driver_is_told_what_to_measure():
    words = " ".join(map(str, Job(SHAPES[0], OURS, "throughput").command(Workload(), 2, 1)))
    told = "--streams 1 8 16 --prompt 128 --new 128 --requests 2 --vocabulary 151936 --threads 2 --seed 1"
    assert words.endswith(told)
    assert "drive_tyllm.py" in words
    words = " ".join(map(str, Job(SHAPES[0], OURS, "prefix").command(Workload(), 2, 1)))
    assert "drive_part.py prefix" in words
    assert "--long-prompt 4096 --prefix 2048" in words


@pytest.fixture
def job(monkeypatch, tmp_path):
    """`job(program)`: an engine whose driver is this Python program."""
    monkeypatch.setattr("baselines.harness.driver_process.LOGS", tmp_path)

    def made(program):
        class Mine(ServingEngine):
            def command(self):
                return [sys.executable, "-c", program]

        return Job(SHAPES[0], Mine("tyllm", "TyLLM", "tyllm"), "throughput")

    return made


def test_a_drivers_answer_is_the_sample(job):
    rows = {"8": {"rate": 12.5, "first p50": 3.0}}
    sample = measure(job(f"print('noise'); print({json.dumps(rows)!r})"), Workload(), 2, 1)
    assert (sample.round, sample.part, sample.engine, sample.rows) == (1, "throughput", "tyllm", rows)
    assert described(sample) == "8: 12.5 rate"


def test_a_driver_that_fails_or_hangs_gives_a_sample_that_says_so(job, monkeypatch):
    failed = measure(job("raise RuntimeError('no such model')"), Workload(), 2, 0)
    assert described(failed).startswith("not run: RuntimeError: no such model")
    monkeypatch.setattr(rounds, "LONGEST", 0.2)
    assert "took longer" in measure(job("import time; time.sleep(60)"), Workload(), 2, 0).error
