"""So many requests run at a time, each is timed from when it was given, and the rate counts the prompts' time."""

import pytest
from baselines.serving.loads import closed_loop as loop
from baselines.serving.loads.closed_loop import Heard, closed_loop, load_figures, percentiles


class Slow:
    """An engine of known speed: a step takes a second and gives a token to each request, the first time two."""

    def __init__(self, clock):
        self.clock, self.running, self.most = clock, {}, 0

    def add(self, number, tokens, new):
        self.running[number] = new
        self.most = max(self.most, len(self.running))

    def step(self):
        self.clock.now += 1.0
        heard = [(number, 1) for number in self.running]
        self.running = {number: left - 1 for number, left in self.running.items() if left > 1}
        return heard


class Clock:
    """Time that passes only when somebody works."""

    now = 0.0

    def perf_counter(self):
        return self.now


@pytest.fixture
def clock(monkeypatch):
    made = Clock()
    monkeypatch.setattr(loop, "time", made)
    return made


def test_a_stream_sends_its_next_request_when_its_last_has_ended(clock):
    engine = Slow(clock)
    heard = closed_loop(engine, [[1], [2], [3], [4], [5]], 2, 3)
    assert engine.most == 2
    assert [one.given for one in heard] == [0, 0, 3, 3, 6]
    assert [one.times for one in heard][::2] == [[1, 2, 3], [4, 5, 6], [7, 8, 9]]


def test_fewer_prompts_than_streams_are_all_there_is(clock):
    assert len(closed_loop(Slow(clock), [[1]], 4, 2)) == 1


def test_an_engine_that_goes_on_too_long_is_refused(clock):
    class Chatty(Slow):
        def step(self):
            return [(number, 7) for number in self.running]

    with pytest.raises(RuntimeError, match="given 7 tokens, not 2"):
        closed_loop(Chatty(clock), [[1]], 1, 2)


def test_the_rate_is_over_the_whole_loop_and_times_are_percentiles():
    figures = load_figures([Heard(0.0, [2.0, 2.5, 3.0]), Heard(1.0, [3.0, 4.0, 5.0])])
    assert figures["rate"] == 6 / 5
    assert (figures["first p50"], figures["gap p50"]) == (2000, 750)
    assert 990 < figures["gap p99"] <= 1000


def test_tokens_heard_of_together_have_no_gap_and_nothing_has_no_percentile():
    assert load_figures([Heard(0.0, [1.0, 1.0])])["gap p50"] == 0
    assert percentiles("gap", []) == {}
