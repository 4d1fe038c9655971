"""A folder that cannot be renamed is filled, the marker last; a run that was killed at it is finished by the next."""

import os

import pytest
from tests.killed import killed_at_each_call

from tyllm_base.filling import fill, finish_filling

MARKER = "manifest.json"


def write(folder, text):
    folder.mkdir(exist_ok=True)
    for name in (MARKER, "weights", "deep/er/code") if text == "old" else (MARKER, "weights", "new/code"):
        (folder / name).parent.mkdir(exist_ok=True, parents=True)
        (folder / name).write_text(text)


def content(folder):
    """The files of a folder that are not ours, and their texts."""
    paths = [path for path in folder.rglob("*") if path.is_file() and ".tyllm." not in str(path)]
    return {path.relative_to(folder).as_posix(): path.read_text() for path in paths}


NEW = {MARKER: "new", "weights": "new", "new/code": "new"}
OLD = {MARKER: "old", "weights": "old", "deep/er/code": "old"}


@pytest.mark.parametrize("before", ["nothing", "old"])
def test_killed_at_each_call(tmp_path, monkeypatch, before):
    monkeypatch.setattr(os, "fsync", lambda _: None)
    folder = tmp_path / "out"

    def prepare():
        for path in sorted(folder.rglob("*"), reverse=True):
            path.rmdir() if path.is_dir() else path.unlink()
        folder.mkdir(exist_ok=True)
        if before == "old":
            write(folder, "old")
        write(folder / ".tyllm.tmp", "new")

    states = set()
    for _ in killed_at_each_call(prepare, lambda: fill(folder, folder / ".tyllm.tmp", MARKER, going(before))):
        found = content(folder)
        if MARKER in found:
            assert found in (OLD, NEW)  # what looks whole is
        if finish_filling(folder):
            assert content(folder) == NEW
        else:
            assert found in ({}, OLD, NEW)
        states.add(len(found))
        assert not (folder / ".tyllm.new").exists()
    assert content(folder) == NEW
    assert len(states) > 2  # it was killed in between


def going(before):
    return [MARKER, "weights", "deep"] if before == "old" else []


def test_what_others_put_beside_stays(tmp_path):
    write(tmp_path, "old")
    (tmp_path / "letter").write_text("dear")
    write(tmp_path / ".tyllm.tmp", "new")
    fill(tmp_path, tmp_path / ".tyllm.tmp", MARKER, going("old"))
    assert content(tmp_path) == NEW | {"letter": "dear"}


def test_a_link_goes_and_not_what_it_leads_to(tmp_path):
    write(tmp_path / "elsewhere", "old")
    folder = tmp_path / "out"
    folder.mkdir()
    write(folder / "x", "new")
    (folder / "link").symlink_to(tmp_path / "elsewhere")
    fill(folder, folder / "x", MARKER, ["link"])
    assert content(folder) == NEW and content(tmp_path / "elsewhere") == OLD


def test_nothing_to_finish(tmp_path):
    assert not finish_filling(tmp_path)
    (tmp_path / ".tyllm.new").symlink_to(tmp_path)
    assert not finish_filling(tmp_path)
