"""Right answers are counted by kind, and a checkpoint is told from a package."""

from held_out_images import Case
from image_accuracy import is_checkpoint, measure, shares
from image_questions import Question

ASKED = [
    Case(Question("count", "How many?", "3")),
    Case(Question("count", "How many?", "4")),
    Case(Question("text", "?", "yes")),
]


def test_an_answer_is_right_when_all_of_it_is():
    assert shares(ASKED, ["3", "4 stars", " yes "]) == {"all": 2 / 3, "count": 0.5, "text": 1.0}


def test_a_checkpoint_has_safetensors(tmp_path):
    assert not is_checkpoint(tmp_path)
    (tmp_path / "model.safetensors.index.json").touch()
    assert is_checkpoint(tmp_path)


def test_folders_that_answer_alike_agree(monkeypatch, tmp_path):
    answers = {"one": ["3", "4", "yes"], "other": ["3", "5", "yes"]}
    monkeypatch.setattr("image_accuracy.cases", lambda number, seed: ASKED)
    monkeypatch.setattr("image_accuracy.answer_with", lambda folder: lambda asked: answers[folder.name])
    found = measure([tmp_path / "one", tmp_path / "other"], 3, 0)
    assert [pair["same"] for pair in found["agreements"]] == [2]
