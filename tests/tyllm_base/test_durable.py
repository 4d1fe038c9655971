"""Renames that replace nothing or swap, in the system's way and where it has none; what is put on the disk."""

import errno
import os
from pathlib import Path

import pytest
from tests.full_disk import small_disk

from tyllm_base import durable
from tyllm_base.durable import exchange, make_folders, remove_tree, rename_by_flag, rename_new, sync_tree


@pytest.fixture
def folders(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / name).touch()
    return tmp_path / "a", tmp_path / "b"


def names(folder):
    return [path.name for path in folder.iterdir()]


def test_two_folders_change_places(folders):
    assert exchange(*folders)
    assert [names(folder) for folder in folders] == [["b"], ["a"]]


@pytest.mark.parametrize("is_supported", [True, False])
def test_nothing_is_replaced(folders, monkeypatch, is_supported):
    a, b = folders
    if not is_supported:
        monkeypatch.setattr(durable, "_renameat2", lambda: None)
    with pytest.raises(OSError, match=r"exists|not empty"):
        rename_new(a, b)
    assert names(a) == ["a"] and names(b) == ["b"]
    rename_new(a, a.with_name("c"))
    assert names(a.with_name("c")) == ["a"]


def test_the_system_keeps_an_empty_folder_of_others_too(folders):
    (folders[1] / "b").unlink()
    with pytest.raises(FileExistsError):
        rename_new(*folders)


def test_by_number_where_the_library_has_no_name_for_it(folders, monkeypatch):
    library = durable.ctypes.CDLL(None, use_errno=True)
    monkeypatch.setattr(durable.ctypes, "CDLL", lambda *_, **__: type("Library", (), {"syscall": library.syscall})())
    durable._renameat2.cache_clear()
    assert exchange(*folders) and names(folders[0]) == ["b"]
    durable._renameat2.cache_clear()


@pytest.mark.parametrize("code", [errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP, errno.EIO])
def test_what_is_not_supported_is_no_error(folders, monkeypatch, code):
    def refuse(*_):
        durable.ctypes.set_errno(code)
        return -1

    monkeypatch.setattr(durable, "_renameat2", lambda: refuse)
    if code == errno.EIO:
        with pytest.raises(OSError, match="Input/output"):
            rename_by_flag(*folders, durable.EXCHANGE)
    else:
        assert not exchange(*folders)


def test_another_file_system(tmp_path, folders):
    with small_disk(tmp_path / "disk", 1 << 16) as disk, pytest.raises(OSError, match="cross-device"):
        rename_new(folders[0], disk / "a")


def test_all_of_a_tree_is_put_on_the_disk_files_before_their_folders(folders, monkeypatch):
    a, _ = folders
    (a / "deep").mkdir()
    (a / "deep" / "file").write_text("x")
    (a / "link").symlink_to("/nowhere")
    done, sync = [], os.fsync
    monkeypatch.setattr(os, "fsync", lambda fd: (done.append(str(Path(f"/proc/self/fd/{fd}").readlink())), sync(fd)))
    sync_tree(a)
    assert sorted(done) == sorted(map(str, (a, a / "a", a / "deep", a / "deep" / "file")))
    assert done[-1] == str(a) and done.index(str(a / "deep" / "file")) < done.index(str(a / "deep"))


def test_a_file_system_without_folder_sync(folders, monkeypatch):
    def refuse(fd):
        raise OSError(errno.EINVAL, "no")

    monkeypatch.setattr(os, "fsync", refuse)
    durable.sync_folder(folders[0])
    with pytest.raises(OSError, match="no"):
        durable.sync_file(folders[0] / "a")


def test_a_tree_with_a_read_only_folder_goes(folders, monkeypatch):
    rmtree, calls = durable.shutil.rmtree, []

    def only_when_allowed(path, **options):  # root may always
        calls.append(path)
        if all(
            folder.stat().st_mode & 0o200 for folder in (path, *(each for each in path.rglob("*") if each.is_dir()))
        ):
            rmtree(path, **options)

    monkeypatch.setattr(durable.shutil, "rmtree", only_when_allowed)
    (folders[0] / "deep").mkdir(mode=0o500)
    folders[0].chmod(0o500)
    remove_tree(folders[0])
    assert not folders[0].exists() and len(calls) == 2


def test_a_link_is_not_followed(folders):
    link = folders[0].with_name("link")
    link.symlink_to(folders[0])
    remove_tree(link)
    assert names(folders[0]) == ["a"]


def test_folders_are_made_however_deep(tmp_path):
    deep = tmp_path / ("d/" * 1900)[: 4000 - len(str(tmp_path))]
    made = make_folders(deep)
    assert deep.is_dir() and made[0] == deep and made[-1] == tmp_path / "d"
    assert make_folders(deep) == []
    for folder in made:
        folder.rmdir()
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match="file"):
        make_folders(tmp_path / "file" / "x")
