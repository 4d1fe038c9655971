"""A place is one under all its names, held by one run at a time, and cleared of what killed runs left."""

import errno
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from tests.full_disk import small_disk

from tyllm_base.errors import OutputError
from tyllm_base.output_place import (
    OutputPlace,
    cannot_be_renamed,
    entries,
    has_remains,
    is_free,
    is_mount_point,
    real_path,
    refuse_existing,
)

HOLDS = """
import sys, time
from pathlib import Path
from tyllm_base.output_place import OutputPlace
place = OutputPlace.take(Path(sys.argv[1]))
print(1, flush=True)
time.sleep(60)
"""


def left(folder):
    """Everything below a folder, hidden files too."""
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))


@pytest.fixture
def holder(tmp_path):
    """Starts another process that holds a place."""
    started = []

    def hold(path):
        started.append(subprocess.Popen([sys.executable, "-c", HOLDS, path], stdout=subprocess.PIPE, cwd=tmp_path))
        assert started[-1].stdout.readline()
        return started[-1]

    yield hold
    for process in started:
        process.kill()
        process.wait()


@pytest.mark.parametrize("spelling", ["out", "./out", "sub/../out", "link/out", "to_out", "{absolute}"])
@pytest.mark.parametrize("is_there", [True, False])
def test_a_place_is_one_under_all_its_names(tmp_path, holder, monkeypatch, spelling, is_there):
    (tmp_path / "sub").mkdir()
    (tmp_path / "link").symlink_to(".")
    if is_there:
        (tmp_path / "out").mkdir()
        (tmp_path / "to_out").symlink_to("out")
    elif spelling == "to_out":
        pytest.skip("a link to nowhere is refused")
    before = left(tmp_path)
    other = holder(tmp_path / "out")
    monkeypatch.chdir(tmp_path)
    given = Path(spelling.format(absolute=tmp_path / "out"))
    sentence = rf"{given} is being written by another run \(process {other.pid} on .* since .*\); wait"
    with pytest.raises(OutputError, match=sentence) as refused:
        OutputPlace.take(given)
    assert refused.value.exit_code == 7
    other.send_signal(signal.SIGKILL)
    other.wait()
    OutputPlace.take(given).release()
    assert left(tmp_path) == before


def test_others_are_free(tmp_path, holder):
    holder(tmp_path / "out")
    for name in ("out2", "out.5", "ou", "OUT", ".out"):
        OutputPlace.take(tmp_path / name).release()


def test_who_has_only_the_folder_mounted_and_who_sees_its_parent_see_each_other(tmp_path, holder):
    """As two containers: one has the folder as a volume, another one its parent."""
    (tmp_path / "volume" / "out").mkdir(parents=True)
    (tmp_path / "seen").mkdir()
    mount = ["mount", "--bind", tmp_path / "volume" / "out", tmp_path / "seen"]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("this user cannot mount")
    try:
        for one, other in (("volume/out", "seen"), ("seen", "volume/out")):
            process = holder(tmp_path / one)
            with pytest.raises(OutputError, match=f"process {process.pid} "):
                OutputPlace.take(tmp_path / other)
            process.kill()
            process.wait()
        assert is_mount_point(tmp_path / "seen") and not is_mount_point(tmp_path / "volume" / "out")
        OutputPlace.take(tmp_path / "seen").release()
    finally:
        subprocess.run(["umount", "--lazy", tmp_path / "seen"], check=True)
    OutputPlace.take(tmp_path / "volume" / "out").release()
    assert left(tmp_path) == ["seen", "volume", "volume/out"]


def test_folders_that_are_made_for_the_lock_go_with_it(tmp_path):
    OutputPlace.take(tmp_path / "deep" / "er" / "out").release()
    assert left(tmp_path) == []
    with OutputPlace.take(tmp_path / "deep" / "out") as place:
        place.folder.mkdir()
    assert left(tmp_path) == ["deep", "deep/out"]


@pytest.mark.parametrize("name", ["dangling", "dangling/out", "circle", "deep/out"])
def test_a_link_that_leads_nowhere(tmp_path, name):
    (tmp_path / "dangling").symlink_to("/not/there")
    (tmp_path / "circle").symlink_to("circle")
    (tmp_path / "deep").symlink_to("dangling")
    with pytest.raises(OutputError, match=r"is a link to .*, which is not there; make that folder, or remove the link"):
        OutputPlace.take(tmp_path / name)
    assert left(tmp_path) == ["circle", "dangling", "deep"]


@pytest.mark.parametrize(
    ("name", "words"), [("file/out", "a part of the path is a file"), ("x" * 300, "too long"), ("y" * 250, "too long")]
)
def test_what_the_system_refuses(tmp_path, name, words):
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match=words):
        OutputPlace.take(tmp_path / name)
    assert left(tmp_path) == ["file"]


def test_where_one_may_not_write(tmp_path, monkeypatch):
    def refuse(path, *_):
        raise PermissionError(errno.EACCES, "denied", path)

    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(OutputError, match="permission is denied"):
        OutputPlace.take(tmp_path / "out")


def test_a_working_directory_that_is_gone(tmp_path, monkeypatch):
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    (tmp_path / "here").rmdir()
    with pytest.raises(OutputError, match="lies in the working directory, which is gone"):
        OutputPlace.take(Path("out"))
    assert not cannot_be_renamed(tmp_path)


def test_what_a_killed_run_left_is_named_and_goes(tmp_path):
    folder = tmp_path / "out"
    folder.mkdir()
    for name in (".out.tyllm.tmp", ".out.tyllm.old", "out/.tyllm.tmp", ".out.tmp", ".other.tyllm.tmp"):
        (tmp_path / name / "deep").mkdir(parents=True)
    (tmp_path / ".out.tyllm.lock").write_text("process 1 on a machine")
    with pytest.warns(
        UserWarning, match=r"An earlier run to .*out was ended; .tyllm.tmp is removed, .out.tyllm.old is"
    ):
        OutputPlace.take(folder).release()
    assert [name for name in left(tmp_path) if "/" not in name] == [".other.tyllm.tmp", ".out.tmp", "out"]
    assert left(folder) == []


def test_what_a_killed_run_was_about_to_replace_comes_back(tmp_path):
    (tmp_path / ".out.tyllm.old").mkdir()
    (tmp_path / ".out.tyllm.old" / "mine").touch()
    with pytest.warns(UserWarning, match="what it was about to replace is back in its place"):
        OutputPlace.take(tmp_path / "out").release()
    assert left(tmp_path) == ["out", "out/mine"]


def test_a_link_under_our_name_is_left(tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "x").touch()
    (tmp_path / ".out.tyllm.old").symlink_to("mine")
    OutputPlace.take(tmp_path / "out").release()
    assert "mine/x" in left(tmp_path) and ".out.tyllm.old" in left(tmp_path)


@pytest.mark.parametrize("make", [Path.touch, os.mkfifo, lambda path: path.symlink_to("mine")])
@pytest.mark.parametrize("inside", [False, True])
def test_what_is_in_the_way_is_told_before_the_work(tmp_path, monkeypatch, make, inside):
    (tmp_path / "mine").mkdir()
    (tmp_path / "out").mkdir()
    if inside:
        monkeypatch.chdir(tmp_path / "out")
    for name in ("out/.tyllm.tmp", "out/.tyllm.new") if inside else (".out.tyllm.tmp",):
        make(tmp_path / name)
        before = left(tmp_path)
        with pytest.raises(OutputError, match=rf"{name} is in the way of .*out; remove it, or choose another"):
            OutputPlace.take(tmp_path / "out")
        assert left(tmp_path) == before
        (tmp_path / name).unlink()
    OutputPlace.take(tmp_path / "out").release()


def test_the_root_is_a_folder_like_others():
    with pytest.raises(OutputError, match="it stays"):
        OutputPlace.take(Path("/"), refuse)
    assert not has_remains(Path("/"))


def test_a_path_of_many_parts(tmp_path):
    folder = tmp_path / ("d/" * 1900)[: 4000 - len(str(tmp_path))] / "out"
    OutputPlace.take(folder).release()
    assert left(tmp_path) == []


def refuse(path):
    if path.exists():
        raise OutputError("it stays")


def test_what_is_refused_is_not_touched(tmp_path):
    (tmp_path / "out").mkdir()
    before = (tmp_path / "out").stat()
    with pytest.raises(OutputError, match="it stays"):
        OutputPlace.take(tmp_path / "out", refuse)
    assert (tmp_path / "out").stat() == before and left(tmp_path) == ["out"]


def test_what_is_refused_may_be_under_way_or_have_remains(tmp_path, holder):
    (tmp_path / "out").mkdir()
    other = holder(tmp_path / "out")
    with pytest.raises(OutputError, match="is being written by another run"):
        OutputPlace.take(tmp_path / "out", refuse)
    other.kill()
    other.wait()
    (tmp_path / ".out.tyllm.tmp").mkdir()
    assert has_remains(tmp_path / "out")
    said = r"it stays.* What a run that was ended had left beside it is removed now\.$"
    with pytest.warns(UserWarning, match="removed"), pytest.raises(OutputError, match=said):
        OutputPlace.take(tmp_path / "out", refuse)
    assert left(tmp_path) == ["out"] and not has_remains(tmp_path / "out")


def test_what_came_while_we_waited_is_refused(tmp_path):
    seen = []

    def refuse_later(path):
        if seen:
            raise OutputError("it has come")
        seen.append(path)

    with pytest.raises(OutputError, match="it has come"):
        OutputPlace.take(tmp_path / "out", refuse_later)
    assert left(tmp_path) == []


def test_what_is_free(tmp_path):
    assert is_free(tmp_path / "nothing") and is_free(tmp_path)
    for name in (".tyllm.lock", "lost+found"):
        (tmp_path / name).touch()
    assert is_free(tmp_path) and entries(tmp_path) == []
    (tmp_path / "file").touch()
    assert not is_free(tmp_path) and not is_free(tmp_path / "file")


def test_what_exists_is_refused(tmp_path):
    refuse_existing(tmp_path / "out", "is there")
    refuse_existing(tmp_path, "is there", unless_empty=True)
    (tmp_path / "file").touch()
    for path in (tmp_path / "file", tmp_path):
        with pytest.raises(OutputError, match=f"^{path} is there\\.$"):
            refuse_existing(path, "is there", unless_empty=True)
    (tmp_path / "link").symlink_to("nowhere")
    with pytest.raises(OutputError, match="is a link to nowhere, which is not there"):
        refuse_existing(tmp_path / "link", "is there", unless_empty=True)


def test_what_cannot_be_renamed(tmp_path, monkeypatch):
    folder = tmp_path / "a b"
    folder.mkdir()
    assert not cannot_be_renamed(folder) and not cannot_be_renamed(tmp_path / "nothing")
    monkeypatch.chdir(folder)
    assert cannot_be_renamed(folder) and cannot_be_renamed(tmp_path)
    monkeypatch.chdir("/")
    with monkeypatch.context() as patch:
        patch.setattr(os, "access", lambda path, mode: path != tmp_path)
        assert cannot_be_renamed(folder)
    folder.rmdir()
    with small_disk(folder, 1 << 16):
        assert cannot_be_renamed(folder)
        assert OutputPlace.take(folder).inside


def test_the_real_path(tmp_path, monkeypatch):
    (tmp_path / "link").symlink_to(tmp_path)
    monkeypatch.chdir(tmp_path)
    assert real_path(Path("link/x/../y")) == tmp_path.resolve() / "y"
    assert real_path(Path()) == tmp_path.resolve()
