"""The parts asked for are run, quantizers that cannot quantize the head left out of it."""

import pytest
from baselines.quantization import command
from baselines.quantization.outcomes import Outcome


class Judge:
    """Gives every outcome a perplexity."""

    def __init__(self, checkpoint):
        pass

    def float_row(self, model, layers):
        return Outcome("quality", model, layers, "float", perplexity=24.0, divergence=0.0, agreement=1.0)

    def judged(self, outcome):
        return outcome


@pytest.fixture
def comparison(monkeypatch, tmp_path):
    """`comparison(words)`: one whose quantizers all fail at once."""
    monkeypatch.setattr(command, "RESULTS", tmp_path / "results.json")
    monkeypatch.setattr(command, "Judge", Judge)
    monkeypatch.setattr(command, "calibration_tokens", lambda checkpoint, samples, length: tmp_path)
    monkeypatch.setattr(command, "untrained", lambda shape, layers: tmp_path)

    def quantize(quantizer, checkpoint, tokens, planned, group_size, threads):
        return Outcome(planned.part, planned.model, planned.layers, planned.tool, planned.head, error="no luck")

    monkeypatch.setattr(command, "quantize", quantize)
    return lambda *words: command.Comparison(command.arguments(words))


def test_only_those_that_can_quantize_the_head_do(comparison):
    run = comparison("--tools", "autoawq-float16", "awq")
    run.quality("tyllm-7m")
    found = [(outcome.tool, outcome.head) for outcome in run.run.samples]
    assert found == [("float", False), ("autoawq-float16", False), ("awq", False), ("awq", True)]


def test_rounding_is_not_timed_and_layers_come_one_after_the_other(comparison):
    run = comparison("--tools", "rtn", "awq", "tyllm")
    run.speed("hidden-512")
    found = [(outcome.layers, outcome.tool) for outcome in run.run.samples]
    assert found == [(1, "awq"), (1, "tyllm"), (2, "awq"), (2, "tyllm")]


def test_earlier_outcomes_are_kept_when_asked_for(comparison):
    comparison("--tools", "awq").speed("hidden-512")
    assert len(comparison("--tools", "awq", "--add").run.samples) == 2
    assert not comparison("--tools", "awq").run.samples
    assert command.RESULTS.with_suffix(".md").is_file()
