"""The package folder is whole or not there, whatever happens on the way."""

import errno
import json
import os
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.full_disk import small_disk

from tyllm.build import package_folder
from tyllm.build.package_folder import atomic_package, build_explained, need_space, refuse_existing_package
from tyllm.package.file_names import MANIFEST, SIGNATURE
from tyllm_base import durable
from tyllm_base.errors import BuildError, OutputError, SettingError
from tyllm_base.output_place import OutputPlace


@pytest.fixture
def package(tmp_path):
    """A package that is there already."""
    folder = tmp_path / "package"
    folder.mkdir()
    (folder / MANIFEST).write_text("old")
    return folder


@contextmanager
def package_at(folder, overwrite=False):
    """A package under way at a place that is held."""
    with OutputPlace.take(folder) as place, atomic_package(place, overwrite) as temporary:
        yield temporary


def left(folder):
    """Everything beside a folder, hidden files too."""
    return sorted(path.name for path in folder.parent.iterdir())


def test_it_appears_at_the_end(tmp_path):
    folder = tmp_path / "deep" / "package"
    with package_at(folder) as temporary:
        (temporary / "file").write_text("x")
        assert not folder.exists() and temporary.parent == folder.parent
    assert left(folder) == ["package"] and (folder / "file").read_text() == "x"


def test_a_build_that_fails_leaves_the_old_package(package):
    with pytest.raises(RuntimeError), package_at(package, overwrite=True):
        raise RuntimeError
    assert left(package) == ["package"] and (package / MANIFEST).read_text() == "old"


def test_an_existing_folder_is_refused(package):
    with pytest.raises(OutputError, match=r"package exists; choose another folder, or allow overwriting") as caught:
        refuse_existing_package(package, overwrite=False)
    assert caught.value.exit_code == 7


def test_a_package_is_overwritten_when_allowed(package):
    with package_at(package, overwrite=True) as temporary:
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


@pytest.mark.parametrize("below", ["notes.txt", "batch_1/notes.txt"])
def test_a_package_to_which_somebody_has_put_a_file_stays(package, below):
    (package / MANIFEST).write_text(json.dumps({"files": {"batch_1/weights": {}}}))
    for name in ("batch_1/weights", SIGNATURE, ".tyllm.lock"):
        (package / name).parent.mkdir(exist_ok=True)
        (package / name).touch()
    refuse_existing_package(package, overwrite=True)
    (package / below).touch()
    with pytest.raises(OutputError, match=f"package holds {below}, which is no part of the package; move it away"):
        refuse_existing_package(package, overwrite=True)


def test_what_somebody_puts_there_meanwhile_stays(package):
    (package / MANIFEST).write_text('{"files": {}}')
    with pytest.raises(OutputError, match="put there meanwhile"), package_at(package, overwrite=True) as temporary:
        (temporary / MANIFEST).write_text("new")
        (package / "letter").touch()
    assert left(package) == ["package"] and (package / "letter").exists()


def test_a_second_run_to_the_same_place(tmp_path):
    with package_at(tmp_path / "package") as temporary:
        (temporary / MANIFEST).write_text("first")
        with (
            pytest.raises(OutputError, match=rf"is being written by another run \(process {os.getpid()} on"),
            package_at(tmp_path / "package", overwrite=True),
        ):
            pass
    assert left(tmp_path / "package") == ["package"] and (tmp_path / "package" / MANIFEST).read_text() == "first"


CODES = [errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EIO, errno.EFBIG, errno.EMFILE, errno.ESTALE,
         errno.ENAMETOOLONG, errno.EXDEV, errno.EINVAL, errno.EBADMSG, errno.ENOMEM]  # fmt: skip


@pytest.mark.parametrize("code", CODES)
@pytest.mark.parametrize("where", ["mkdir", "write_text", "rename"])
def test_what_the_system_refuses(tmp_path, monkeypatch, code, where):
    def refuse(*_, **__):
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(*((Path, where) if where != "rename" else (durable, "rename_by_flag")), refuse)
    with (
        pytest.raises(OutputError, match=f"^Cannot write {tmp_path}/package: .*; "),
        package_at(tmp_path / "package") as temporary,
    ):
        (temporary / "file").write_text("x")
    assert left(tmp_path / "package") == []


@pytest.mark.parametrize("below", ["x", "x/y"])
def test_a_part_of_the_path_is_a_file(tmp_path, below):
    (tmp_path / "file").write_text("x")
    with (
        pytest.raises(OutputError, match="a part of the path is a file"),
        package_at(tmp_path / "file" / below),
    ):
        pass


def test_other_errors_pass(tmp_path):
    with pytest.raises(SettingError), build_explained(tmp_path / "package"):
        raise SettingError("mine")
    with pytest.raises(ChildProcessError), build_explained(tmp_path / "package"):
        raise ChildProcessError(errno.ECHILD, "a bug")


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (RuntimeError("ld: final link failed: No space left on device"), "the disk is full"),
        (BuildError("cc failed with status 1: ld terminated with signal 25 [File size limit exceeded]"), "ulimit -f"),
        (BuildError("cc failed with status 1: as: x.o: Input/output error"), "dmesg"),
    ],
)
def test_what_the_linker_says(tmp_path, error, words):
    with pytest.raises(OutputError, match=words), build_explained(tmp_path / "package"):
        raise error


def test_what_the_compiler_says_of_the_program(tmp_path):
    with pytest.raises(BuildError), build_explained(tmp_path / "package"):
        raise BuildError("error: unknown type name")


def test_what_others_do_on_a_full_disk(tmp_path, monkeypatch):
    monkeypatch.setattr(package_folder, "_is_full", lambda folder: folder == tmp_path)
    with pytest.raises(OutputError, match="the disk is full"), build_explained(tmp_path / "package"):
        raise RuntimeError("file truncated")


def test_a_disk_that_is_really_full(tmp_path):
    with small_disk(tmp_path / "disk", 65536) as disk:
        with (
            pytest.raises(OutputError, match="the disk is full"),
            package_at(disk / "package") as temporary,
        ):
            (temporary / "file").write_bytes(bytes(1 << 20))
        assert left(disk / "package") == []


def test_space(tmp_path):
    need_space(tmp_path / "not" / "there", 1)
    with pytest.raises(
        OutputError, match=r"needs 1,000,000,000,000\.0 MB and the disk has .* MB left; free some space"
    ):
        need_space(tmp_path / "package", 10**18)
