"""Outcomes come back from their file, and one that is measured again takes the old one's place."""

from dataclasses import replace

from baselines.quantization.outcomes import Outcome, QuantizationRun


def test_a_run_comes_back_from_its_file(tmp_path):
    outcome = Outcome("quality", "tyllm-7m", 6, "awq", cpu=1.5, perplexity=24.5)
    run = QuantizationRun(when="2026-01-02", machine="A processor", settings={"samples": 16}, samples=[outcome])
    run.save(tmp_path / "results.json")
    assert QuantizationRun.load(tmp_path / "results.json") == run


def test_an_outcome_takes_the_place_of_an_earlier_one():
    outcome = Outcome("speed", "hidden-512", 1, "awq", cpu=1.0)
    run = QuantizationRun(settings={})
    for kept in (outcome, replace(outcome, layers=2), replace(outcome, cpu=2.0)):
        run.keep(kept)
    assert [(found.layers, found.cpu) for found in run.samples] == [(2, 1.0), (1, 2.0)]
