"""A conversion's commands name files that are there, and ours is compiled anew."""

from pathlib import Path

import pytest
from baselines.vision_tower import conversions
from baselines.vision_tower.conversions import Subject, make_tower
from baselines.vision_tower.engines import ENGINES

SUBJECT = Subject("Qwen2-VL-2B-Instruct", (4, 6), 2)


@pytest.fixture
def commands(monkeypatch, tmp_path):
    """The commands that were run, as lists of words; each leaves the file or folder that it was to write."""
    ran = []

    def run(command, log, added=None):
        words = [str(word) for word in command]
        assert all(Path(word).is_file() for word in words if word.endswith(".py"))
        ran.append(words)
        for word in words:
            if ".part" in word:
                Path(word).touch()

    monkeypatch.setattr(conversions, "run", run)
    monkeypatch.setattr(conversions, "FOLDER", tmp_path)
    return ran


@pytest.mark.parametrize("engine", ENGINES, ids=lambda engine: engine.name)
def test_every_program_can_be_made(commands, engine):
    model = make_tower(engine, SUBJECT)
    assert model.exists()
    assert commands[0][-2:] == ["--depth", "2"]


def test_ours_is_compiled_anew_unless_it_is_kept(commands):
    for keep in (False, False, True):
        make_tower(ENGINES[0], SUBJECT, keep=keep)
    assert ["compile" in command for command in commands].count(True) == 2


def test_names_tell_tower_and_image():
    assert SUBJECT.name == "Qwen2-VL-2B-Instruct-2layers-4x6"
    assert Subject("Qwen2-VL-2B-Instruct", (4, 6)).tower == "Qwen2-VL-2B-Instruct"
