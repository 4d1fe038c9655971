"""What is made is whole or not there, and is made once."""

import sys

import pytest


@pytest.fixture
def steps(peers, monkeypatch, tmp_path):
    module = peers("steps")
    monkeypatch.setattr(module, "LOGS", tmp_path / "log")
    return module


def test_made_once(steps, tmp_path):
    made = []

    def recipe(part):
        made.append(part)
        part.write_text("whole", encoding="utf-8")

    for _ in range(2):
        assert steps.make(tmp_path / "deep" / "thing", "a thing", recipe).read_text(encoding="utf-8") == "whole"
    assert len(made) == 1


def test_a_failed_recipe_leaves_nothing_in_its_place_and_can_be_tried_again(steps, tmp_path):
    def failing(part):
        part.mkdir()
        (part / "half").touch()
        raise steps.StepError("no")

    for _ in range(2):
        with pytest.raises(steps.StepError):
            steps.make(tmp_path / "thing", "a thing", failing)
    assert not (tmp_path / "thing").exists()


def test_a_failing_command_names_its_log(steps, tmp_path):
    with pytest.raises(steps.StepError, match=r"status 3; see .*made\.log"):
        steps.run([sys.executable, "-c", "print('why'); raise SystemExit(3)"], "made")
    assert "why" in (tmp_path / "log" / "made.log").read_text(encoding="utf-8")
    with pytest.raises(steps.StepError, match="No such file"):
        steps.run(["/nowhere/program"], "made")
