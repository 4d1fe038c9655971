"""A run measures every trial on every package, and the limits once for each target and number of threads."""

import pytest

from tyllm.bench import run as running
from tyllm.bench.measure import Trial
from tyllm.bench.run import run
from tyllm_base.errors import GenerationError

TRIALS = [Trial("pp", 8, 0), Trial("tg", 4, 8)]


@pytest.fixture
def asked(monkeypatch):
    calls = []

    def measure_limits(package, threads, report):
        report("read")
        calls.append(threads)
        return {"read": 1e9, "int8": 1e9}

    monkeypatch.setattr(running, "measure_limits", measure_limits)
    return calls


def test_rows_in_order(benched, asked):
    seen = []
    rows = run([benched, benched], TRIALS, 2, 2, lambda done, total, what: seen.append((done, total, what)))
    assert [str(row.trial) for row in rows] == ["pp8", "tg4 @ d8"] * 2
    assert all(len(row.rates.samples) == 2 for row in rows)
    assert {(row.subject.dies, row.subject.threads, row.subject.target) for row in rows} == {(2, 2, "plain")}
    assert asked == [2]
    assert seen[0] == (0, 12, "limit read")
    assert seen[-1] == (12, 12, "toy tg4 @ d8")


def test_nothing_runs_before_all_is_checked(benched, asked):
    with pytest.raises(GenerationError, match="wants 65 tokens"):
        run([benched], [TRIALS[0], Trial("tg", 65, 0)], 2, 2, lambda *_: None)
    assert asked == []
