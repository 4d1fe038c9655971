"""A package's folder is read through its descriptor, holds nothing unnamed, and each refusal has a cure."""

import errno
import os
import re

import pytest

from tyllm.package import FileEntry
from tyllm.package.open_folder import OpenFolder
from tyllm_base.errors import PackageError

ENTRIES = {"a": FileEntry(1, ""), "deep/b": FileEntry(2, "")}


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "folder"
    (folder / "deep").mkdir(parents=True)
    (folder / "a").write_bytes(b"1")
    (folder / "deep" / "b").write_bytes(b"22")
    return folder


def check(folder, entries=ENTRIES):
    with OpenFolder(folder) as opened:
        opened.check_files(entries)


def fails(folder, words, entries=ENTRIES):
    with pytest.raises(PackageError, match=re.escape(words)):
        check(folder, entries)


def test_a_folder_as_its_manifest_says(folder):
    (folder / "empty").mkdir()
    check(folder)


@pytest.mark.parametrize("extra", ["c", "deep/c", "empty/c"])
def test_extra_files(folder, extra):
    (folder / "empty").mkdir()
    (folder / extra).write_bytes(b"")
    fails(folder, f"holds {extra}, which its manifest does not name")


def test_links_are_followed_to_what_is_named_and_extra_files_behind_them_are_seen(folder, tmp_path):
    (folder / "a").rename(tmp_path / "elsewhere")
    (folder / "a").symlink_to(tmp_path / "elsewhere")
    (folder / "deep").rename(tmp_path / "other")
    (folder / "deep").symlink_to(tmp_path / "other")
    check(folder)
    (tmp_path / "other" / "extra.so").write_bytes(b"")
    fails(folder, "holds deep/extra.so, which")


@pytest.mark.parametrize("target", ["a", "deep", "/", "nowhere", "link"])
def test_links_that_nobody_named(folder, target):
    (folder / "link").symlink_to(target)
    fails(folder, "holds link, which")


@pytest.mark.parametrize("name", ["/etc/passwd", "../a", "deep/../../a"])
def test_names_that_lead_out(folder, name):
    fails(folder, f"names {name}, a file outside the folder", {**ENTRIES, name: FileEntry(1, "")})


@pytest.mark.parametrize("name", ["", ".", "./a", "deep//b", "deep/", "a\0", "a\n", "\ud800", "\x1b[2J"])
def test_names_that_are_none(folder, name):
    fails(folder, "which is no file's path", {**ENTRIES, name: FileEntry(1, "")})


def test_it_stays_the_folder_that_was_opened(folder, tmp_path):
    with OpenFolder(folder) as opened:
        folder.rename(tmp_path / "old")
        (tmp_path / "folder").mkdir()
        opened.check_files(ENTRIES)
        with opened.file("deep/b") as descriptor:
            assert os.read(descriptor, 9) == b"22"


def test_what_is_no_file(folder):
    (folder / "a").unlink()
    os.mkfifo(folder / "a")
    words = "a is a named pipe and should be a file"
    with OpenFolder(folder) as opened, pytest.raises(PackageError, match=words), opened.file("a"):
        pass


@pytest.mark.parametrize(("target", "kind"), [(None, "a folder"), ("/dev/zero", "a device"), ("pipe", "a named pipe")])
@pytest.mark.parametrize("size", [0, 1, 4096])
def test_no_file_is_told_as_such_whatever_its_size_is(folder, tmp_path, target, kind, size):
    os.mkfifo(tmp_path / "pipe")
    (folder / "a").unlink()
    if target is None:
        (folder / "a").mkdir()
    else:
        (folder / "a").symlink_to(tmp_path / target)
    fails(folder, f"a is {kind} and should be a file; copy the package again", ENTRIES | {"a": FileEntry(size, "")})


def test_a_circle_of_links_and_a_name_that_is_too_long(folder):
    (folder / "a").unlink()
    (folder / "a").symlink_to("a")
    fails(folder, "go round in a circle; point them to a file")
    fails(folder, "use a shorter path", {"x" * 300: FileEntry(1, "")})


CURES = {
    errno.EMFILE: "raise the limit (ulimit -n)",
    errno.ENFILE: "sysctl fs.file-max",
    errno.EACCES: "let this user read it",
    errno.EIO: "look into `dmesg`",
    errno.ESTALE: "mount it again",
    errno.ENOMEM: "ulimit -v",
}


@pytest.mark.parametrize("code", CURES)
@pytest.mark.parametrize("call", ["open", "stat", "scandir"])
def test_a_refusal_of_the_system_says_its_cure(folder, monkeypatch, code, call):
    def refuse(*_, **__):
        raise OSError(code, os.strerror(code))

    with OpenFolder(folder) as opened:
        monkeypatch.setattr(os, call, refuse)
        with pytest.raises(PackageError, match=re.escape(CURES[code])):
            opened.check_files(ENTRIES)
    monkeypatch.undo()


def test_what_is_no_folder(tmp_path):
    (tmp_path / "file").touch()
    for path in (tmp_path / "file", tmp_path / "none"):
        with pytest.raises(PackageError, match="is no folder"):
            OpenFolder(path)
    for path in (7, "a\0b"):
        with pytest.raises(PackageError, match="is no path"):
            OpenFolder(path)
    with pytest.raises(PackageError, match="use a shorter path"):
        OpenFolder("x" * 5000)
