"""Files and folders appear whole or not at all; the system's refusals become sentences."""

import errno
import json
import os
import subprocess

import pytest

from tyllm_base.atomic_files import atomic_file, atomic_folder, explained, make_folder, refuse_existing, write_json
from tyllm_base.errors import OutputError


def test_a_failed_write_leaves_the_old_file(tmp_path):
    write_json(tmp_path / "a.json", {"x": "é"})
    with pytest.raises(RuntimeError), atomic_file(tmp_path / "a.json") as temporary:
        temporary.write_text("half")
        raise RuntimeError
    assert json.loads((tmp_path / "a.json").read_text(encoding="utf-8")) == {"x": "é"}
    assert [path.name for path in tmp_path.iterdir()] == ["a.json"]


@pytest.mark.parametrize(
    ("code", "message"),
    [
        (errno.ENOSPC, "disk is full"),
        (errno.EROFS, "read-only"),
        (errno.EACCES, "permission"),
        (errno.EIO, "disk or the connection to it failed"),
    ],
)
def test_refusals_are_explained(tmp_path, code, message):
    with pytest.raises(OutputError, match=message) as caught, explained(tmp_path):
        raise OSError(code, "sick disk")
    assert caught.value.exit_code == 7


def test_a_folder_below_a_file(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="a part of the path is a file"):
        make_folder(tmp_path / "file" / "folder")


def test_only_a_full_disk_has_the_note(tmp_path):
    sentence = r"^Cannot write .*: the disk is full; .* again, half is kept\.$"
    with pytest.raises(OutputError, match=sentence), explained(tmp_path, "half is kept"):
        raise OSError(errno.ENOSPC, "full")
    with pytest.raises(OutputError, match=r"; choose another folder\.$"), explained(tmp_path, "half is kept"):
        raise OSError(errno.EROFS, "read-only")


def left(folder):
    """Everything beside a folder, hidden files too."""
    return sorted(path.name for path in folder.parent.iterdir())


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt, SystemExit])
def test_a_folder_that_is_not_finished_leaves_nothing(tmp_path, error):
    with pytest.raises(error), atomic_folder(tmp_path / "out") as temporary:
        (temporary / "file").write_text("x")
        raise error
    assert left(tmp_path / "out") == []


def test_a_folder_appears_at_the_end_in_the_place_of_an_old_one(tmp_path):
    folder = tmp_path / "deep" / "out"
    for text in ("first", "second"):
        with atomic_folder(folder, replace=True) as temporary:
            (temporary / "file").write_text(text)
            assert not folder.exists() or (folder / "file").read_text() == "first"
            assert temporary.parent == folder.parent
    assert left(folder) == ["out"] and (folder / "file").read_text() == "second"


def test_what_others_put_in_the_place_meanwhile_stays(tmp_path):
    folder = tmp_path / "out"
    with pytest.raises(OSError, match="not empty"), atomic_folder(folder) as temporary:
        (temporary / "ours").touch()
        folder.mkdir()
        (folder / "theirs").touch()
    assert [path.name for path in folder.iterdir()] == ["theirs"]
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_what_a_killed_run_left_is_removed_by_the_next(tmp_path):
    with subprocess.Popen(["true"]) as ended:
        ended.wait()
    processes = (ended.pid, os.getpid(), os.getppid())  # our own number was another's: numbers come again
    dead, again, alive = (tmp_path / f".out.{process}.tmp" for process in processes)
    other = tmp_path / f".other.{ended.pid}.tmp"
    for folder in (dead, again, alive, other):
        folder.mkdir()
    with atomic_folder(tmp_path / "out"):
        pass
    assert left(tmp_path / "out") == sorted([alive.name, other.name, "out"])


def test_what_exists_is_refused(tmp_path):
    refuse_existing(tmp_path / "out", "is there")
    refuse_existing(tmp_path, "is there", unless_empty=True)
    for path in (tmp_path / "file", tmp_path / "link"):
        path.symlink_to("nowhere") if path.name == "link" else path.touch()
        with pytest.raises(OutputError, match=f"^{path} is there\\.$"):
            refuse_existing(path, "is there", unless_empty=True)
    with pytest.raises(OutputError, match="is there"):
        refuse_existing(tmp_path, "is there", unless_empty=True)
