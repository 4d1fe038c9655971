"""A loop for each number of streams after one that warms up, with other random tokens each time."""

import argparse
from pathlib import Path

import pytest
from baselines.serving.loads.measurement import measure


class Instant:
    """Gives each request all its tokens in one step."""

    def __init__(self):
        self.given, self.running = [], {}

    def add(self, number, tokens, new):
        self.given.append((tuple(tokens), new))
        self.running[number] = new

    def step(self):
        heard, self.running = list(self.running.items()), {}
        return heard


@pytest.fixture
def measured():
    engine = Instant()
    given = argparse.Namespace(
        model=Path("model"), vocabulary=1000, streams=[1, 3], requests=2, prompt=5, new=6, threads=2, seed=1
    )

    def opened(model, threads, streams, capacity):
        engine.opened = threads, streams, capacity
        return engine

    return measure(opened, given), engine


def test_every_number_of_streams_has_figures(measured):
    found, engine = measured
    assert list(found) == ["1", "3"]
    assert found["3"]["rate"] > 0
    assert engine.opened == (2, 3, 11)


def test_requests_are_those_that_were_asked_for(measured):
    _, engine = measured
    assert [new for _, new in engine.given] == [4] + [6] * 2 + [4] * 3 + [6] * 6
    prompts = [tokens for tokens, _ in engine.given]
    assert len(set(prompts)) == len(prompts)
    assert {len(tokens) for tokens in prompts} == {5}
