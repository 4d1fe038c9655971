"""Results as JSON or as text, and sizes that read well."""

import json

import pytest

from tyllm.cli.print_result import counted, emit, folder_bytes, size


@pytest.mark.parametrize(
    ("count", "text"), [(0, "0 B"), (1023, "1023 B"), (1536, "1.5 KiB"), (3 << 30, "3.0 GiB"), (5 << 50, "5120.0 TiB")]
)
def test_size(count, text):
    assert size(count) == text


def test_counted():
    assert (counted(1, "die"), counted(2, "die")) == ("1 die", "2 dies")


def test_folder_bytes(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "b").write_bytes(bytes(7))
    (tmp_path / "c").write_bytes(bytes(5))
    assert folder_bytes(tmp_path) == 12


def test_json_is_the_whole_of_stdout(capsys):
    emit({"text": "naïve"}, True, lambda console: console.print("not this"))
    assert json.loads(capsys.readouterr().out) == {"text": "naïve"}


def test_a_person_gets_text(capsys):
    emit({"text": "x"}, False, lambda console: console.print("hello"))
    assert capsys.readouterr().out == "hello\n"
