"""A result is whole or not there, is made once, and commands run in a clean environment."""

import os
import sys

import pytest
from baselines.harness.paths import SCRIPTS
from baselines.harness.steps import StepError, clean_environment, make, remove, run


@pytest.fixture(autouse=True)
def logs(monkeypatch, tmp_path):
    """Logs of a test lie in its own folder."""
    monkeypatch.setattr("baselines.harness.steps.LOGS", tmp_path / "log")


def test_made_once(tmp_path):
    made = []

    def recipe(part):
        made.append(part)
        part.write_text("whole", encoding="utf-8")

    for _ in range(2):
        assert make(tmp_path / "deep" / "thing", "a thing", recipe).read_text(encoding="utf-8") == "whole"
    assert len(made) == 1


def test_a_failed_recipe_leaves_nothing_in_its_place_and_can_be_tried_again(tmp_path):
    def failing(part):
        part.mkdir()
        (part / "half").touch()
        raise StepError("no")

    for _ in range(2):
        with pytest.raises(StepError):
            make(tmp_path / "thing", "a thing", failing)
    assert not (tmp_path / "thing").exists()


def test_a_failing_command_names_its_log(tmp_path):
    with pytest.raises(StepError, match=r"status 3; see .*made\.log"):
        run([sys.executable, "-c", "print('why'); raise SystemExit(3)"], "made")
    assert "why" in (tmp_path / "log" / "made.log").read_text(encoding="utf-8")
    with pytest.raises(StepError, match="No such file"):
        run(["/nowhere/program"], "made")


def test_variables_that_change_a_programs_threads_are_not_handed_on(monkeypatch):
    monkeypatch.setenv("OMP_WAIT_POLICY", "PASSIVE")
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    found = clean_environment({"LLAMA": "1"})
    assert not {"OMP_WAIT_POLICY", "OMP_NUM_THREADS"} & set(found)
    assert found["LLAMA"] == "1"


def test_drivers_find_the_baselines_and_no_other_modules_of_the_caller(monkeypatch):
    monkeypatch.setenv("PYTHONPATH", "/somewhere")
    assert clean_environment()["PYTHONPATH"] == str(SCRIPTS)
    assert clean_environment({"PYTHONPATH": "/own"})["PYTHONPATH"] == f"/own{os.pathsep}{SCRIPTS}"


def test_what_a_link_leads_to_stays(tmp_path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "folder")
    remove(tmp_path / "link")
    assert not (tmp_path / "link").is_symlink()
    assert (tmp_path / "folder").is_dir()
