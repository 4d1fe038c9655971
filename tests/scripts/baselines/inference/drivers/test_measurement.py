"""A driver's figures are what an engine with a known clock took."""

import argparse
from pathlib import Path

import pytest
from baselines.inference.drivers import measurement


class Clock:
    """Time that passes only when somebody works."""

    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


class Slow:
    """Reads 50 tokens a second and writes 4."""

    def __init__(self, clock):
        self.clock, self.prompts = clock, []

    def generate(self, tokens, new, heard):
        self.prompts.append(list(tokens))
        self.clock.now += len(tokens) / 50
        heard()
        for _ in range(new - 1):
            self.clock.now += 0.25
            heard()


@pytest.fixture
def measured(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(measurement.time, "perf_counter", clock)
    monkeypatch.setattr(measurement.time, "monotonic", clock)
    engine = Slow(clock)

    def opened(model, threads, capacity):
        clock.now += 3.0
        engine.capacity = capacity
        return engine

    given = argparse.Namespace(
        model=Path("model"), started=-1.0, vocabulary=1000, prompt=600, new=9, repeats=2, threads=2, seed=0
    )
    return measurement.measure(opened, given), engine


def test_rates_and_start(measured):
    found, _ = measured
    assert found["start"] == pytest.approx(1 + 3 + 8 / 50)
    assert found["prompt"] == pytest.approx([50, 50])
    assert found["decode"] == pytest.approx([4, 4])
    assert found["peak_rss"] > 1e6


def test_every_prompt_is_another_and_the_cache_has_room(measured):
    _, engine = measured
    assert [len(prompt) for prompt in engine.prompts] == [8, 512, 600, 600]
    assert engine.prompts[2] != engine.prompts[3]
    assert engine.capacity == 609


def test_too_few_tokens_are_an_error():
    class Lazy:
        def generate(self, tokens, new, heard):
            heard()

    with pytest.raises(RuntimeError, match="1 tokens were generated, not 5"):
        measurement.token_times(Lazy(), [1], 5)
