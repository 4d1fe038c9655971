"""A folder appears whole or not at all, at whichever call the run is killed, and nothing of others goes."""

import errno
import os
import threading
from pathlib import Path

import pytest
from tests.full_disk import small_disk
from tests.killed import killed_at_each_call

from tyllm_base import atomic_folder as module
from tyllm_base import durable
from tyllm_base.atomic_folder import atomic_folder
from tyllm_base.errors import OutputError
from tyllm_base.output_place import OutputPlace, is_free
from tyllm_base.unfinished import remove_unfinished

MARKER = "manifest.json"


def anything(_):
    return True


def write(folder, text, may_go=is_free):
    """One run: the folder with two files of a text."""
    with OutputPlace.take(folder) as place, atomic_folder(place, MARKER, may_go) as temporary:
        (temporary / "deep").mkdir()
        (temporary / "deep" / "file").write_text(text)
        (temporary / MARKER).write_text(text)


def content(folder):
    """The texts of the two files, if the folder is there."""
    names = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))
    if not [name for name in names if ".tyllm." not in name]:
        return None
    assert [name for name in names if ".tyllm." not in name] == ["deep", "deep/file", MARKER]
    assert (folder / MARKER).read_text() == (folder / "deep" / "file").read_text()
    return (folder / MARKER).read_text()


def left(folder):
    """Everything beside a folder, hidden files too."""
    return sorted(path.name for path in folder.parent.iterdir())


@pytest.fixture
def no_exchange(monkeypatch):
    """A file system without renameat2's flags."""
    monkeypatch.setattr(durable, "_renameat2", lambda: None)


@pytest.fixture
def no_wait(monkeypatch):
    """The disk is not waited for: a killed process takes nothing with it that was written."""
    monkeypatch.setattr(os, "fsync", lambda _: None)


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "here").mkdir()
    return tmp_path / "here" / "out"


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt, SystemExit])
def test_what_is_not_finished_leaves_nothing(folder, error):
    with pytest.raises(error), OutputPlace.take(folder) as place, atomic_folder(place, MARKER) as temporary:
        (temporary / "file").write_text("x")
        raise error
    assert left(folder) == []


def test_a_process_that_has_to_end_at_once_leaves_nothing(folder):
    with OutputPlace.take(folder) as place:
        with pytest.raises(FileNotFoundError), atomic_folder(place, MARKER) as temporary:
            remove_unfinished()
            (temporary / MARKER).touch()
        assert left(folder) == []
    write(folder, "x")
    remove_unfinished()
    assert content(folder) == "x"


def test_it_appears_at_the_end_in_the_place_of_an_old_one(tmp_path):
    folder = tmp_path / "deep" / "out"
    write(folder, "first")
    with OutputPlace.take(folder) as place, atomic_folder(place, MARKER, anything) as temporary:
        (temporary / "file").write_text("second")
        assert content(folder) == "first" and temporary.parent == folder.parent
    assert left(folder) == ["out"] and (folder / "file").read_text() == "second"


def tidy(folder):
    """A place where an old folder is, and nothing else."""
    for path in folder.parent.iterdir():
        durable.remove_tree(path) if path.is_dir() else path.unlink()
    write(folder, "old")


@pytest.mark.filterwarnings("ignore:An earlier run")
def test_killed_at_each_call_an_old_or_the_new_one_is_there(no_wait, folder):
    seen = []
    for _ in killed_at_each_call(lambda: tidy(folder), lambda: write(folder, "new", anything)):
        seen.append(content(folder))
        assert seen[-1] in ("old", "new")
        write(folder, "next", anything)
        assert content(folder) == "next" and left(folder) == ["out"]
    assert set(seen) == {"old", "new"} and seen == sorted(seen, reverse=True)


@pytest.mark.filterwarnings("ignore:An earlier run")
def test_killed_at_each_call_without_exchange_the_next_run_brings_it_back(no_wait, folder, no_exchange):
    seen = []
    for _ in killed_at_each_call(lambda: tidy(folder), lambda: write(folder, "new", anything)):
        seen.append(content(folder))
        if seen[-1] is None:
            OutputPlace.take(folder).release()
            assert content(folder) == "old"
        write(folder, "next", anything)
        assert content(folder) == "next" and left(folder) == ["out"]
    assert set(seen) == {"old", None, "new"}


@pytest.mark.filterwarnings("ignore:An earlier run")
@pytest.mark.parametrize("is_there", [False, True])
def test_killed_at_each_call_where_nothing_was(no_wait, folder, is_there):
    def prepare():
        tidy(folder)
        durable.remove_tree(folder)
        if is_there:
            folder.mkdir()

    seen = []
    for _ in killed_at_each_call(prepare, lambda: write(folder, "new")):
        seen.append(content(folder))
        if seen[-1] is None:
            write(folder, "new")
        else:
            OutputPlace.take(folder).release()
        assert content(folder) == "new" and left(folder) == ["out"]
    assert set(seen) == {None, "new"}


@pytest.mark.filterwarnings("ignore:An earlier run")
@pytest.mark.parametrize("old", [False, True])
def test_killed_at_each_call_in_a_folder_that_is_a_mount_point(no_wait, tmp_path, old):
    with small_disk(tmp_path / "out", 1 << 20) as folder:

        def prepare():
            for path in folder.iterdir():
                durable.remove_tree(path) if path.is_dir() else path.unlink()
            if old:
                write(folder, "old")

        seen = set()
        for _ in killed_at_each_call(prepare, lambda: write(folder, "new", anything)):
            if (folder / MARKER).exists():
                seen.add(content(folder))
            else:
                seen.add(None)
            write(folder, "next", anything)
            assert content(folder) == "next" and left(folder) == ["out"]
            assert sorted(path.name for path in folder.iterdir()) == ["deep", MARKER]
        assert seen == ({"old", None, "new"} if old else {None, "new"})


def test_an_empty_folder_is_used_and_keeps_its_mode(folder):
    folder.mkdir(mode=0o750)
    write(folder, "x")
    assert content(folder) == "x" and folder.stat().st_mode & 0o777 == 0o750 and left(folder) == ["out"]


def test_where_this_process_stands_it_stays_the_same_folder(folder, monkeypatch):
    folder.mkdir()
    monkeypatch.chdir(folder)
    write(Path(), "x")
    assert sorted(path.name for path in Path().iterdir()) == ["deep", MARKER] and left(folder) == ["out"]


def test_through_a_link_which_stays(folder, tmp_path):
    (tmp_path / "real").mkdir()
    folder.symlink_to(tmp_path / "real")
    write(folder, "x")
    assert (
        folder.is_symlink()
        and content(tmp_path / "real") == "x"
        and sorted(left(tmp_path / "real")) == ["here", "real"]
    )


@pytest.mark.parametrize("flags", [True, False])
def test_what_others_put_in_the_place_meanwhile_stays(folder, monkeypatch, flags):
    if not flags:
        monkeypatch.setattr(durable, "_renameat2", lambda: None)
    with (
        pytest.raises(OutputError, match="put there meanwhile, and stays"),
        OutputPlace.take(folder) as place,
        atomic_folder(place, MARKER) as temporary,
    ):
        (temporary / "ours").touch()
        folder.mkdir()
        (folder / "theirs").touch()
    assert [path.name for path in folder.iterdir()] == ["theirs"] and left(folder) == ["out"]


@pytest.mark.parametrize("flags", [True, False])
def test_what_others_put_into_an_empty_folder_in_the_last_moment_stays(folder, monkeypatch, flags):
    """They come after we have looked: it is looked at again once it is out of its place."""
    folder.mkdir()
    if not flags:
        monkeypatch.setattr(durable, "_renameat2", lambda: None)
    sync = module.sync_tree
    monkeypatch.setattr(module, "sync_tree", lambda path: (sync(path), (folder / "theirs").touch()))
    with pytest.raises(OutputError, match="put there meanwhile, and stays"):
        write(folder, "x")
    assert [path.name for path in folder.iterdir()] == ["theirs"] and left(folder) == ["out"]


def test_all_is_on_the_disk_before_the_rename_and_the_rename_after(folder, monkeypatch):
    done, sync, rename = [], os.fsync, durable.rename_by_flag

    def rename_and_tell(source, target, flag):
        done.append("rename")
        return rename(source, target, flag)

    monkeypatch.setattr(os, "fsync", lambda fd: (done.append(Path(f"/proc/self/fd/{fd}").readlink().name), sync(fd)))
    monkeypatch.setattr(durable, "rename_by_flag", rename_and_tell)
    expected = [MARKER, "file", "deep", ".out.tyllm.tmp", "rename", "here"]
    for may_go in (is_free, anything):
        done.clear()
        write(folder, "x", may_go)
        assert sorted(done[:4]) == sorted(expected[:4]) and done[3:] == expected[3:]


def test_a_disk_that_refuses_the_last_write_leaves_the_old_one(folder, monkeypatch):
    write(folder, "old")

    def refuse(_):
        raise OSError(errno.EIO, "broken")

    monkeypatch.setattr(module, "sync_tree", refuse)
    with pytest.raises(OSError, match="broken"):
        write(folder, "new", anything)
    assert content(folder) == "old" and left(folder) == ["out"]


def test_runs_at_the_same_time_end_in_one_whole_folder(folder):
    refused, barrier = [], threading.Barrier(8)

    def run(number):
        barrier.wait()
        try:
            write(folder, f"run {number}", anything)
        except OutputError as error:
            refused.append(str(error))

    for _ in range(20):
        threads = [threading.Thread(target=run, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert content(folder).startswith("run ") and left(folder) == ["out"]
    assert refused and all("is being written by another run" in sentence for sentence in refused)


def test_a_reader_never_finds_it_missing(folder):
    write(folder, "0")
    is_over, seen = threading.Event(), []

    def look():
        while not is_over.is_set():
            seen.append(folder.is_dir())

    reader = threading.Thread(target=look)
    reader.start()
    for number in range(30):
        write(folder, str(number), anything)
    is_over.set()
    reader.join()
    assert len(seen) > 30 and all(seen)


def test_a_read_only_old_folder_goes(folder):
    write(folder, "old")
    (folder / "deep").chmod(0o500)
    write(folder, "new", anything)
    assert content(folder) == "new" and left(folder) == ["out"]


def test_on_a_disk_in_memory_too(tmp_path):
    with small_disk(tmp_path / "disk", 1 << 20) as disk:
        write(disk / "out", "old")
        write(disk / "out", "new", anything)
        assert content(disk / "out") == "new" and left(disk / "out") == ["out"]
