"""Code is loaded from the bytes that were checked, each time anew, and is gone when it is unloaded."""

import errno
import os
import subprocess
import tempfile
from pathlib import Path

import pytest

from tyllm.runtime.execute import code_library
from tyllm.runtime.execute.code_library import load_code, unload_code
from tyllm_base.errors import PackageError


@pytest.fixture
def library(tmp_path):
    """`library(7)`: a library whose `value()` is 7."""

    def build(value, name="x.so", more=""):
        (tmp_path / "x.c").write_text(f"int value(void) {{ return {value}; }} {more}")
        subprocess.run(["gcc", "-shared", "-fPIC", tmp_path / "x.c", "-o", tmp_path / name], check=True)
        return tmp_path / name

    return build


def mapped():
    """Lines of the process's mappings that are of our code."""
    lines = Path("/proc/self/maps").read_text().splitlines()
    return sum("/memfd:x.so" in line or "tyllm-code-" in line for line in lines)


@pytest.fixture
def no_memory_files(monkeypatch):
    def refuse(*_):
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))

    monkeypatch.setattr(os, "memfd_create", refuse)


@pytest.fixture(params=["in memory", "on disk"])
def way(request):
    if request.param == "on disk":
        request.getfixturevalue("no_memory_files")
    return request.param


def test_it_is_loaded_and_unloaded_and_leaves_nothing(library, way, tmp_path, monkeypatch, descriptors):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    path, before, others = library(7), descriptors(), mapped()
    loaded = load_code(path)
    assert loaded.value() == 7 and mapped() > others
    assert descriptors() == before
    unload_code(loaded)
    assert mapped() == others
    assert sorted(each.name for each in tmp_path.iterdir()) == ["x.c", "x.so"]


def test_the_same_file_with_other_bytes_is_other_code(library, way, tmp_path):
    """The same inode rewritten: the dynamic linker by itself would give what it has loaded already."""
    path, loaded = library(0), []
    for value in range(5):
        content = library(value, "new.so").read_bytes()
        with path.open("r+b") as file:
            file.write(content)
        loaded.append(load_code(path))
    assert [each.value() for each in loaded] == [0, 1, 2, 3, 4]
    for each in loaded:
        unload_code(each)


def test_what_becomes_of_the_file_changes_nothing(library):
    path = library(7)
    loaded = load_code(path)
    os.truncate(path, 100)
    assert loaded.value() == 7
    unload_code(loaded)


def test_the_file_in_memory_cannot_be_written(library):
    with code_library._in_memory(b"code", "x.so") as name:
        for flags in (os.O_WRONLY, os.O_RDWR):
            with pytest.raises(PermissionError):
                os.write(os.open(name, flags), b"evil")
        with pytest.raises(PermissionError):
            os.truncate(name, 0)


def test_names_are_never_the_same():
    names = {f"/proc/self/fd/{code_library._unique_slashes()}7" for _ in range(1000)}
    assert len(names) == 1000
    assert {os.path.normpath(name) for name in names} == {"/proc/self/fd/7"}


@pytest.mark.parametrize("content", [b"", b"nothing", b"\x7fELF" + bytes(3000)])
def test_what_is_no_library(tmp_path, content):
    (tmp_path / "x.so").write_bytes(content)
    with pytest.raises(PackageError, match=r"Cannot load .*/x\.so \(.*\); compile the model again") as caught:
        load_code(tmp_path / "x.so")
    assert "/proc/" not in str(caught.value)


@pytest.mark.parametrize("share", [0.01, 0.1, 0.5])
def test_a_truncated_library(library, share):
    path = library(7)
    os.truncate(path, int(path.stat().st_size * share))
    with pytest.raises(PackageError, match="is truncated"):
        load_code(path)


CURES = {errno.EMFILE: r"ulimit -n", errno.ENOMEM: r"ulimit -v", errno.EFBIG: r"ulimit -f"}


@pytest.mark.parametrize("code", CURES)
def test_a_refusal_of_the_system_says_its_cure(library, monkeypatch, code):
    def refuse(*_, **__):
        raise OSError(code, os.strerror(code))

    path = library(7)
    monkeypatch.setattr(os, "memfd_create", refuse)
    monkeypatch.setattr(tempfile, "mkdtemp", refuse)
    with pytest.raises(PackageError, match=CURES[code]):
        load_code(path)


def test_no_place_that_allows_code_to_run(library, monkeypatch):
    def refuse(name, path):
        raise OSError(f"{name}: failed to map segment from shared object")

    path = library(7)
    monkeypatch.setattr(code_library, "_opened", refuse)
    with pytest.raises(PackageError, match="mounted noexec"):
        load_code(path)


def test_a_missing_file(tmp_path):
    with pytest.raises(PackageError, match=r"Cannot read .*there is no such file"):
        load_code(tmp_path / "x.so")
