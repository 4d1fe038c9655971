"""What --calibration may be, and what the quantizer is told."""

from pathlib import Path

import pytest

from tyllm.cli import calibration_option
from tyllm.cli.calibration_option import calib_data


@pytest.fixture
def no_datasets(monkeypatch):
    monkeypatch.setattr(calibration_option, "find_spec", lambda name: None)


def test_the_choices(tmp_path):
    (tmp_path / "notes.txt").write_text("words")
    assert calib_data("bundled") is None
    assert calib_data("self") == "self"
    assert calib_data(str(tmp_path / "notes.txt")) == tmp_path / "notes.txt"
    assert calib_data("owner/dataset") == "owner/dataset"


def test_a_file_may_have_the_name_of_a_choice(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("self").write_text("words")
    assert calib_data("self") == "self"
    assert calib_data("./self") == Path("self")


@pytest.mark.parametrize(("name", "reason"), [("no-such-file", "is no file"), (".", "is a folder")])
def test_what_is_neither(tyllm, no_datasets, tmp_path, name, reason):
    outcome = tyllm("quantize", tmp_path / "model", "--calibration", name)
    words = " ".join(outcome.err.replace("│", " ").split())
    assert outcome.code == 2
    assert f"'{name}' {reason}, and datasets is not installed" in words
    assert "use bundled" in words and "self (text that the model writes)" in words


def test_a_dataset_is_left_to_the_quantizer(monkeypatch):
    monkeypatch.setattr(calibration_option, "find_spec", lambda name: object())
    assert calibration_option.check_calibration("owner/dataset") == "owner/dataset"
