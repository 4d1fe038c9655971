"""The job is read from the command line, and its cost is the last line."""

import json

import pytest
from baselines.quantization.drivers.job import read_job, report_cost


def test_a_job_is_read_from_the_command_line(monkeypatch, tmp_path):
    (tmp_path / "tokens.json").write_text("[[1, 2], [3, 4]]", encoding="utf-8")
    words = [
        "driver",
        "model",
        str(tmp_path / "tokens.json"),
        "out",
        "--group-size",
        "64",
        "--settings",
        "awq",
        "--head",
    ]
    monkeypatch.setattr("sys.argv", words)
    job = read_job()
    assert (job.checkpoint, job.output, job.group_size, job.head) == ("model", "out", 64, True)
    assert (job.settings, job.samples) == ("awq", [[1, 2], [3, 4]])


def test_the_cost_of_a_block_is_the_last_line(capsys):
    with report_cost():
        print("working", end="")
    cost = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert set(cost) == {"cpu", "wall", "peak_rss"} and cost["peak_rss"] > 1e6


def test_a_block_that_fails_has_no_cost(capsys):
    with pytest.raises(ValueError, match="no"), report_cost():
        raise ValueError("no")
    assert not capsys.readouterr().out
