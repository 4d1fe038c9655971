"""The work folder keeps parts of the same recipe and nothing else."""

import os
from pathlib import Path

import numpy as np
import pytest

from awq.work.work_folder import WorkFolder
from hf_checkpoint.safetensors_file import read_header
from tyllm_base.errors import OutputError


@pytest.fixture
def work(tmp_path):
    folder = WorkFolder(tmp_path / "work")
    folder.open("one")
    folder.write_part("layer", {"a": np.ones(3, np.float16)})
    return folder


def test_the_same_recipe_finds_its_parts(work):
    work.open("one")
    assert work.has("layer") and read_header(work.file("layer"))["a"].shape == (3,)


def test_another_recipe_starts_anew(work):
    work.open("two")
    assert not work.has("layer")


def test_parts_that_an_ended_removal_left_count_no_more(work, monkeypatch):
    """Else a run would go on with some of them: a report lacked what it takes from the others."""
    work.write_part("report", {"a": np.ones(3, np.float16)})
    unlink, removed = Path.unlink, []

    def end_after_one(path, **options):
        if removed:
            raise KeyboardInterrupt
        removed.append(path.name)
        unlink(path, **options)

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(Path, "unlink", end_after_one)
        work.remove()
    assert removed
    work.open("one")
    assert not work.has("layer") and not work.has("report")


@pytest.mark.parametrize(
    "name",
    ["mlp.up_proj.activations", "mlp.up_proj.tape", "hidden-00001.part", "layer-00000.part.tmp", "state.json.tmp"],
)
def test_what_a_killed_run_left_goes_with_another_recipe(work, name):
    (work.path / name).write_bytes(b"left")
    work.open("one")
    assert (work.path / name).exists()
    work.open("two")
    assert sorted(path.name for path in work.path.iterdir()) == ["lock", "state.json"]


def test_a_tensor_that_was_read_outlives_its_part(work):
    found = work.read_tensor("layer", "a")
    work.drop("layer")
    work.drop("layer")
    assert not work.has("layer") and found.tolist() == [1, 1, 1]
    found += 1


@pytest.mark.parametrize(
    "content", ["{", "[]", '{"fingerprint": "one", "fingerprint": "one"}', "[" * 200_000, "\ufeff{}"]
)
def test_a_torn_or_forged_state_file_starts_anew(work, content):
    (work.path / "state.json").write_text(content)
    work.open("one")
    assert not work.has("layer")


def test_a_folder_of_others_is_not_touched(tmp_path):
    (tmp_path / "thesis.txt").write_text("dear")
    work = WorkFolder(tmp_path)
    with pytest.raises(OutputError, match=r"holds thesis\.txt"):
        work.open("one")
    work.unlock()
    assert (tmp_path / "thesis.txt").read_text() == "dear" and [path.name for path in tmp_path.iterdir()] == [
        "thesis.txt"
    ]


def test_remove(work):
    work.remove()
    assert not work.path.exists()


def test_a_second_run_is_refused_and_changes_nothing(work):
    other = WorkFolder(work.path)
    with pytest.raises(OutputError, match=rf"Another run works in {work.path} \(process {os.getpid()} on .*\); wait"):
        other.open("two")
    assert work.has("layer") and work.is_of("one")
    work.unlock()
    other.open("two")
    assert other.is_of("two") and not work.has("layer")


def test_a_folder_in_which_nothing_waits_goes_with_its_lock(tmp_path):
    work = WorkFolder(tmp_path / "deep" / "work")
    work.lock()
    assert work.path.exists() and not work.is_begun()
    work.unlock()
    assert not work.path.exists()


def test_the_result_is_known_by_its_marker(work, tmp_path):
    (tmp_path / "new").mkdir()
    (tmp_path / "new" / "config.json").touch()
    assert not work.has_made(tmp_path / "new" / "config.json")
    work.note_result(tmp_path / "new" / "config.json")
    (tmp_path / "new").rename(tmp_path / "out")
    assert work.has_made(tmp_path / "out" / "config.json") and work.is_of("one")
    assert not work.has_made(tmp_path / "new" / "config.json")
    (tmp_path / "out" / "config.json").write_text("another")
    assert not work.has_made(tmp_path / "out" / "config.json")


def test_the_fingerprint_goes_last(work, monkeypatch):
    gone, unlink = [], Path.unlink
    monkeypatch.setattr(Path, "unlink", lambda path, **options: (gone.append(path.name), unlink(path, **options)))
    work.remove()
    assert gone == ["layer.part", "state.json", "lock"]


def test_what_a_network_keeps_of_removed_files_is_no_stranger(work):
    (work.path / ".nfs0001").touch()
    work.remove()
    assert [path.name for path in work.path.iterdir()] == [".nfs0001"]
