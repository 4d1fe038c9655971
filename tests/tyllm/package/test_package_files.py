"""Files are checked and held through one descriptor; what happens to the folder afterwards changes nothing."""

import hashlib
import resource

import pytest

from tyllm.package import FileEntry, file_entries, file_hashes, package_files
from tyllm.package.open_folder import OpenFolder
from tyllm.package.package_files import PackageFiles
from tyllm_base.errors import PackageError

LARGE = bytes(range(256)) * 2048


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "small.params").write_bytes(b"small" * 30)
    (folder / "large.params").write_bytes(LARGE)
    (folder / "code.so").write_bytes(b"code")
    (folder / "same.so").write_bytes(b"code")
    return folder


def held(folder, entries=None, **settings):
    files = PackageFiles(folder)
    with OpenFolder(folder) as opened:
        files.hold(opened, entries or file_entries(folder), **settings)
    return files


def test_contents_are_as_they_were_whatever_becomes_of_the_folder(folder, tmp_path):
    files = held(folder)
    folder.rename(tmp_path / "old")
    for path in (tmp_path / "old").iterdir():
        path.unlink()
    assert files.content("code.so") == b"code" and files.content("same.so") is files.content("code.so")
    assert files.content("small.params").tobytes() == b"small" * 30
    assert files.content("large.params").tobytes() == LARGE
    assert files.nbytes == len(LARGE) + 150 + 8


def test_only_large_parameters_see_what_is_written_into_the_file(folder):
    """Weights are mapped, which is documented; code and small files are copies."""
    files = held(folder)
    for path in folder.iterdir():
        with path.open("r+b") as file:
            file.write(b"evil")
    assert files.content("code.so") == b"code"
    assert files.content("small.params").tobytes() == b"small" * 30
    assert files.content("large.params")[:4].tobytes() == b"evil"


def test_parameters_begin_at_a_cache_line(folder):
    files = held(folder)
    for name in ("small.params", "large.params"):
        assert files.content(name).ctypes.data % 64 == 0
        assert not files.content(name).flags.writeable


def test_no_descriptor_stays_open(folder, descriptors):
    before = descriptors()
    files = held(folder)
    assert descriptors() == before
    assert files.content("large.params").size


def test_names_that_are_not_there(folder):
    files = held(folder)
    with pytest.raises(PackageError, match=r"does not name \.\./x"):
        files.content("../x")


def test_closed(folder):
    files = held(folder)
    files.close()
    files.close()
    with pytest.raises(PackageError, match="was closed; open the package again"):
        files.content("code.so")


@pytest.mark.parametrize("name", ["small.params", "large.params", "code.so"])
def test_a_changed_file(folder, name):
    entries = file_entries(folder)
    held(folder, entries)
    data = bytearray((folder / name).read_bytes())
    data[-1] ^= 1
    (folder / name).write_bytes(data)
    with pytest.raises(PackageError, match=f"{name} was changed or damaged"):
        held(folder, entries)


def test_damaged_parameters_are_forgotten_before_that_is_said(folder, monkeypatch):
    """Else the wrong hash, or a right one that stands for damaged bytes, would be believed for ever."""
    entries = file_entries(folder)
    with (folder / "large.params").open("r+b") as file:
        file.write(b"evil")
    for hashing in ("cached", "fresh"):
        with pytest.raises(PackageError, match="was changed"):
            held(folder, entries, hashing=hashing)
        with monkeypatch.context() as patched, pytest.raises(PackageError, match="is looked at ag"):
            patched.setattr(file_hashes, "sha256_of", lambda descriptor: "looked at again")
            held(folder, entries)


def test_a_believed_hash_ends_with_the_first_real_look(folder, monkeypatch):
    """As `tyllm verify` takes after something went wrong that no file's times show."""
    entries, good = file_entries(folder), hashlib.sha256(LARGE).hexdigest()
    with (folder / "large.params").open("r+b") as file:
        file.write(b"evil")
    with monkeypatch.context() as patched:
        patched.setattr(file_hashes, "sha256_of", lambda descriptor: good)
        held(folder, entries)
    held(folder, entries)  # believed
    for hashing in ("fresh", "cached"):
        with pytest.raises(PackageError, match="was changed"):
            held(folder, entries, hashing=hashing)


def test_a_file_that_is_written_while_it_is_checked(folder, monkeypatch):
    entries, real = file_entries(folder), file_hashes.sha256_of

    def slow(descriptor):
        found = real(descriptor)
        with (folder / "large.params").open("r+b") as other:
            other.write(b"evil")
        return found

    monkeypatch.setattr(file_hashes, "sha256_of", slow)
    with pytest.raises(PackageError, match="was written while it was checked"):
        held(folder, entries)


@pytest.mark.parametrize("name", ["large.params", "code.so"])
def test_a_file_that_is_swapped_after_its_size_was_looked_at(folder, name):
    entries = file_entries(folder)
    with OpenFolder(folder) as opened:
        opened.check_files(entries)
        (folder / "new").write_bytes(b"x" * entries[name].size)
        (folder / "new").replace(folder / name)
        with pytest.raises(PackageError, match=f"{name} was changed"):
            PackageFiles(folder).hold(opened, entries)


def test_parameters_are_hashed_once_or_always_or_not(folder, monkeypatch):
    seen, real = [], file_hashes.sha256_of
    monkeypatch.setattr(file_hashes, "sha256_of", lambda descriptor: seen.append(descriptor) or real(descriptor))
    entries = {name: FileEntry(len(data), hashlib.sha256(data).hexdigest()) for name, data in
               (("large.params", LARGE), ("small.params", b"small" * 30))}  # fmt: skip
    counts = []
    for hashing in ("none", "cached", "cached", "fresh", "fresh"):
        held(folder, entries, hashing=hashing)
        counts.append(len(seen))
    assert counts == [0, 1, 1, 2, 3]


def test_progress_in_bytes(folder):
    seen, entries = [], file_entries(folder)
    held(folder, entries, progress=lambda done, total, name: seen.append((done, total, name)))
    assert [name for _, _, name in seen] == list(entries)
    assert seen[-1][0] == seen[-1][1] == sum(entry.size for entry in entries.values())


def test_memory_that_does_not_suffice(folder, monkeypatch):
    def none(*_):
        raise MemoryError

    monkeypatch.setattr(package_files, "_copy", none)
    with pytest.raises(PackageError, match=r"no memory left.*ulimit -v"):
        held(folder)


def test_a_long_file_that_is_no_parameters(folder, monkeypatch):
    monkeypatch.setattr(package_files, "MOST_COPIED", 3)
    with pytest.raises(PackageError, match="has 4 bytes, which only parameters may have"):
        held(folder)


def test_many_files_with_few_descriptors(tmp_path, descriptors):
    """Eight dies of many sequence lengths: what is open at a time does not grow with them."""
    for number in range(200):
        (tmp_path / f"{number}.params").write_bytes(LARGE)
        (tmp_path / f"{number}.so").write_bytes(b"code")
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(descriptors()) + 5, hard))
    try:
        files = held(tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert len(list(files.names())) == 400
