"""A run knows its day and machine, and is written as JSON."""

import json

from baselines.harness.run import AlternatingRun, Run


def test_a_run_begins_today_on_this_machine():
    run = Run()
    assert len(run.when) == len("2026-01-31")
    assert run.machine


def test_what_is_saved_has_every_field(tmp_path):
    run = AlternatingRun(when="2026-01-02", machine="A processor", threads=2, samples=[1], limits=[{"read": 1.0}])
    run.save(tmp_path / "deep" / "run.json")
    assert json.loads((tmp_path / "deep" / "run.json").read_text(encoding="utf-8")) == {
        "when": "2026-01-02", "machine": "A processor", "threads": 2, "samples": [1], "limits": [{"read": 1.0}],
    }  # fmt: skip
