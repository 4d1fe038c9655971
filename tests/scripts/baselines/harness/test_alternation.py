"""Programs take turns, the limits are measured around each round, and every sample is saved."""

import json
from dataclasses import dataclass
from pathlib import Path

import pytest
from baselines.harness import alternation
from baselines.harness.run import AlternatingRun


@dataclass(frozen=True)
class Job:
    """A measurement of a model that is a file."""

    label: str
    model: Path


@pytest.fixture
def jobs(monkeypatch, tmp_path):
    monkeypatch.setattr(alternation, "measure_limits", lambda threads: {"read": threads})
    return [Job(name, tmp_path / "model") for name in ("ours", "theirs")]


@pytest.fixture
def run(tmp_path):
    (tmp_path / "model").write_bytes(b"12345")
    return AlternatingRun(when="2026-01-02", machine="A processor", threads=2)


def test_jobs_take_turns_between_the_limits(run, jobs, tmp_path):
    order = []

    def measure(job, turn):
        order.append((job.label, turn, len(run.limits)))
        return job.label

    alternation.alternate(run, jobs, 2, tmp_path / "samples.json", measure, str)
    assert order == [("ours", 0, 1), ("theirs", 0, 1), ("ours", 1, 2), ("theirs", 1, 2)]
    assert run.samples == ["ours", "theirs"] * 2
    assert run.limits == [{"read": 2}] * 3
    assert json.loads((tmp_path / "samples.json").read_text(encoding="utf-8"))["samples"] == run.samples


def test_a_job_sits_out_from_when_it_is_said_to(run, jobs, tmp_path):
    def sits_out(job):
        return job.label == "theirs" and len(run.samples) >= 2

    alternation.alternate(run, jobs, 3, tmp_path / "samples.json", lambda job, turn: job.label, str, sits_out)
    assert run.samples == ["ours", "theirs", "ours", "ours"]


def test_the_files_of_a_model_are_the_file_or_all_in_the_folder(tmp_path):
    (tmp_path / "folder" / "deep").mkdir(parents=True)
    (tmp_path / "folder" / "deep" / "file").write_bytes(b"1")
    assert alternation.model_files(tmp_path / "folder") == [tmp_path / "folder" / "deep" / "file"]
    assert alternation.model_files(tmp_path / "folder" / "deep" / "file") == [tmp_path / "folder" / "deep" / "file"]


def test_the_time_left_goes_by_the_time_spent():
    assert alternation.minutes_left(120, 2, 8) == "  (about 6 min left)"
    assert alternation.minutes_left(120, 8, 8) == ""
