"""The benchmark takes medians, and measures the memory itself."""

import pytest


def test_the_median_of_the_runs(script, monkeypatch):
    bench = script("bench")
    clock = iter([0.0, 1.0, 1.0, 3.0, 3.0, 7.0])
    monkeypatch.setattr(bench.time, "perf_counter", lambda: next(clock))
    assert bench.median_rate(3, 8, lambda: None) == 4.0


def test_the_memory_is_read_at_a_believable_rate(script):
    assert 1e8 < script("bench").read_rate(1) < 1e12


def test_fewer_than_three_runs_are_refused(script, monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["bench.py", "package", "--runs", "2"])
    with pytest.raises(SystemExit):
        script("bench").main()
    assert "no median" in capsys.readouterr().err
