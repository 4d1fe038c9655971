"""An environment is made when its versions change, and ours is the one that runs."""

import sys
from pathlib import Path

import pytest
from baselines.harness import environments


@pytest.fixture
def commands(monkeypatch, tmp_path):
    """The commands that were run, as lists of words; a folder is made where a virtual environment would be."""
    ran = []

    def run(command, log):
        ran.append([str(word) for word in command])
        if "venv" in ran[-1]:
            Path(ran[-1][-1]).mkdir(parents=True)

    monkeypatch.setattr(environments, "run", run)
    monkeypatch.setattr(environments, "ENVIRONMENTS", tmp_path)
    return ran


def test_ours_is_the_interpreter_that_runs_this(commands):
    assert environments.python("") == Path(sys.executable)
    environments.make_environment("")
    assert not commands


def test_made_once_and_packages_without_their_dependencies(commands):
    for _ in range(2):
        environments.make_environment("autoawq")
    _, install, alone = commands
    assert "transformers==4.51.3" in install
    assert alone[-2:] == ["--no-deps", "autoawq==0.2.9"]


def test_made_anew_when_a_version_has_changed(commands, monkeypatch):
    monkeypatch.setitem(environments.REQUIREMENTS, "small", ("one==1",))
    environments.make_environment("small")
    monkeypatch.setitem(environments.REQUIREMENTS, "small", ("one==2",))
    monkeypatch.setattr(environments, "run", lambda command, log: commands.append([*map(str, command)]))
    environments.make_environment("small")
    assert [command[-1] for command in commands if "install" in command] == ["one==1", "one==2"]


def test_what_a_package_brings_needlessly_is_removed(commands):
    environments.make_environment("vllm")
    assert [command[-1] for command in commands if "uninstall" in command] == [
        "torchvision",
        "torchaudio",
        "torchcodec",
    ]
