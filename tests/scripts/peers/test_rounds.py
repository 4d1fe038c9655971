"""Engines alternate, a failure is a sample and no end, and the limits are measured around each round."""

import json
import sys
from dataclasses import replace

import pytest


@pytest.fixture
def rounds(peers, monkeypatch):
    module = peers("rounds")
    monkeypatch.setattr(module, "measure_limits", lambda threads: {"read": 1e9})
    monkeypatch.setattr(module, "read_into_cache", lambda model: None)
    return module


def test_engines_take_turns_within_a_length(peers, rounds):
    shape, engines = peers("shapes").SHAPES[0], peers("engines").ENGINES[:2]
    order = [(engine.name, prompt) for _, engine, prompt in rounds.jobs([shape], engines, {96, 512})]
    assert order == [("tyllm", 96), ("openvino", 96), ("tyllm", 512), ("openvino", 512)]


@pytest.fixture
def job(peers, monkeypatch):
    """`job(program)`: an engine whose driver is this Python program."""

    def made(program):
        class Engine(peers("engines").Engine):
            def command(self):
                return [sys.executable, "-c", program]

        return peers("shapes").SHAPES[0], Engine("tyllm", "TyLLM", "tyllm"), 96

    return made


def test_a_driver_s_last_line_is_the_sample(rounds, job):
    found = {"start": 1.5, "prompt": [5.0], "decode": [2.0, 3.0], "peak_rss": 7}
    sample = rounds.measure(job(f"print('noise'); print({json.dumps(found)!r})"), 2, 1)
    assert (sample.round, sample.engine, sample.prompt, sample.start) == (1, "tyllm", 96, 1.5)
    assert (sample.prompt_rates, sample.decode_rates, sample.peak_rss) == ((5.0,), (2.0, 3.0), 7)


def test_a_driver_that_fails_gives_a_sample_with_its_last_words(rounds, job):
    assert rounds.measure(job("raise RuntimeError('no such model')"), 2, 0).error == "RuntimeError: no such model"
    assert rounds.measure(job("import os; os.abort()"), 2, 0).error == "exit status -6"


def test_a_driver_that_hangs_is_ended(rounds, job, monkeypatch):
    monkeypatch.setattr(rounds, "LONGEST", 0.2)
    assert "took longer" in rounds.measure(job("import time; time.sleep(60)"), 2, 0).error


def test_a_failure_does_not_end_the_run(peers, rounds, small_run, monkeypatch, tmp_path):
    shape, engines = peers("shapes").SHAPES[0], peers("engines").ENGINES[:2]
    sample = small_run.samples[0]
    answers = iter([sample, sample.because("broken")] * 2)
    monkeypatch.setattr(rounds, "measure", lambda job, threads, turn: replace(next(answers), round=turn))
    run = peers("samples").Run("2026-01-02", "A processor", 2)
    rounds.alternate(run, rounds.jobs([shape], engines, {96}), 2, tmp_path / "samples.json")
    assert [bool(found.error) for found in run.samples] == [False, True] * 2
    assert len(run.limits) == 3
    assert peers("samples").Run.load(tmp_path / "samples.json") == run


def test_variables_that_change_an_engine_s_threads_are_not_handed_on(peers, monkeypatch):
    monkeypatch.setenv("OMP_WAIT_POLICY", "PASSIVE")
    found = peers("steps").clean_environment({"LLAMA": "1"})
    assert "OMP_WAIT_POLICY" not in found
    assert found["LLAMA"] == "1"
