"""The package folder is whole or not there, whatever happens on the way."""

import errno
import os
from pathlib import Path

import pytest
from tests.full_disk import small_disk

from tyllm.build import package_folder
from tyllm.build.package_folder import atomic_package, build_explained, need_space, refuse_existing_package
from tyllm.package.file_names import MANIFEST
from tyllm_base.errors import OutputError, SettingError


@pytest.fixture
def package(tmp_path):
    """A package that is there already."""
    folder = tmp_path / "package"
    folder.mkdir()
    (folder / MANIFEST).write_text("old")
    return folder


def left(folder):
    """Everything beside a folder, hidden files too."""
    return sorted(path.name for path in folder.parent.iterdir())


def test_it_appears_at_the_end(tmp_path):
    folder = tmp_path / "deep" / "package"
    with atomic_package(folder, overwrite=False) as temporary:
        (temporary / "file").write_text("x")
        assert not folder.exists() and temporary.parent == folder.parent
    assert left(folder) == ["package"] and (folder / "file").read_text() == "x"


def test_a_build_that_fails_leaves_the_old_package(package):
    with pytest.raises(RuntimeError), atomic_package(package, overwrite=True):
        raise RuntimeError
    assert left(package) == ["package"] and (package / MANIFEST).read_text() == "old"


def test_an_existing_folder_is_refused(package):
    with pytest.raises(OutputError, match=r"package exists; choose another folder, or allow overwriting") as caught:
        refuse_existing_package(package, overwrite=False)
    assert caught.value.exit_code == 7


def test_a_package_is_overwritten_when_allowed(package):
    with atomic_package(package, overwrite=True) as temporary:
        (temporary / MANIFEST).write_text("new")
    assert left(package) == ["package"] and (package / MANIFEST).read_text() == "new"


@pytest.mark.parametrize("is_folder", [True, False])
def test_only_packages_are_overwritten(tmp_path, is_folder):
    path = tmp_path / "mine"
    if is_folder:
        path.mkdir()
        (path / "letters").write_text("x")
    else:
        path.write_text("x")
    with pytest.raises(OutputError, match=r"mine exists and is no package .*so it stays as it is"):
        refuse_existing_package(path, overwrite=True)


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (errno.ENOSPC, "the disk is full; free some space"),
        (errno.EDQUOT, "the disk quota is used up"),
        (errno.EROFS, "the file system is read-only; choose another folder"),
        (errno.EACCES, "permission is denied; choose a folder that you may write"),
    ],
)
@pytest.mark.parametrize("where", ["mkdir", "write"])
def test_what_the_system_refuses(tmp_path, monkeypatch, code, words, where):
    def refuse(*_, **__):
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(Path, "mkdir" if where == "mkdir" else "write_text", refuse)
    with (
        pytest.raises(OutputError, match=f"^Cannot write {tmp_path}/package: {words}"),
        atomic_package(tmp_path / "package", overwrite=False) as temporary,
    ):
        (temporary / "file").write_text("x")
    assert left(tmp_path / "package") == []


@pytest.mark.parametrize("below", ["x", "x/y"])
def test_a_part_of_the_path_is_a_file(tmp_path, below):
    (tmp_path / "file").write_text("x")
    with (
        pytest.raises(OutputError, match="a part of the path is a file"),
        atomic_package(tmp_path / "file" / below, False),
    ):
        pass


def test_other_errors_pass(tmp_path):
    with pytest.raises(SettingError), build_explained(tmp_path / "package"):
        raise SettingError("mine")
    with pytest.raises(ChildProcessError), build_explained(tmp_path / "package"):
        raise ChildProcessError(errno.ECHILD, "a bug")


def test_what_the_linker_says_of_a_full_disk(tmp_path):
    with pytest.raises(OutputError, match="the disk is full"), build_explained(tmp_path / "package"):
        raise RuntimeError("ld: final link failed: No space left on device")


def test_what_others_do_on_a_full_disk(tmp_path, monkeypatch):
    monkeypatch.setattr(package_folder, "_is_full", lambda folder: folder == tmp_path)
    with pytest.raises(OutputError, match="the disk is full"), build_explained(tmp_path / "package"):
        raise RuntimeError("file truncated")


def test_a_disk_that_is_really_full(tmp_path):
    with small_disk(tmp_path / "disk", 65536) as disk:
        with (
            pytest.raises(OutputError, match="the disk is full"),
            atomic_package(disk / "package", overwrite=False) as temporary,
        ):
            (temporary / "file").write_bytes(bytes(1 << 20))
        assert left(disk / "package") == []


def test_space(tmp_path):
    need_space(tmp_path / "not" / "there", 1)
    with pytest.raises(
        OutputError, match=r"needs 1,000,000,000,000\.0 MB and the disk has .* MB left; free some space"
    ):
        need_space(tmp_path / "package", 10**18)
