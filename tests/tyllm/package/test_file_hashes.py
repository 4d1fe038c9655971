"""Hashes are remembered as long as a file stays the same."""

import hashlib

import pytest

from tyllm.package import FileEntry, file_hashes
from tyllm.package.file_hashes import HashMemory, remember


@pytest.fixture
def counted(monkeypatch):
    """The files that are really hashed."""
    seen = []

    def count(path):
        seen.append(path.name)
        return hashlib.sha256(path.read_bytes()).hexdigest()

    monkeypatch.setattr(file_hashes, "sha256_of", count)
    return seen


def test_a_file_is_hashed_once_until_it_changes(tmp_path, counted):
    file, store = tmp_path / "x", tmp_path / "deep" / "memory.json"
    file.write_bytes(b"one")
    for _ in range(2):
        memory = HashMemory(store)
        assert memory.sha256_of(file) == hashlib.sha256(b"one").hexdigest()
        memory.save()
    assert counted == ["x"]
    file.write_bytes(b"two")
    assert HashMemory(store).sha256_of(file) == hashlib.sha256(b"two").hexdigest()


def test_a_damaged_or_unwritable_memory_is_no_error(tmp_path, counted):
    (tmp_path / "memory").mkdir()
    (tmp_path / "x").write_bytes(b"one")
    for store in (tmp_path / "memory", tmp_path / "x" / "below"):
        memory = HashMemory(store)
        memory.sha256_of(tmp_path / "x")
        memory.save()
    assert counted == ["x", "x"]


def test_the_oldest_are_forgotten(tmp_path, monkeypatch):
    monkeypatch.setattr(file_hashes, "MOST_REMEMBERED", 2)
    memory = HashMemory(tmp_path / "memory.json")
    for name in "abc":
        (tmp_path / name).write_text(name)
        memory.compute(tmp_path / name)
    memory.save()
    assert len(HashMemory(tmp_path / "memory.json")._known) == 2


def test_what_was_hashed_while_it_was_written_is_not_read_again(tmp_path, counted):
    file = tmp_path / "params" / "x.params"
    file.parent.mkdir()
    file.write_bytes(b"one")
    remember(tmp_path, {"params/x.params": FileEntry(3, "as written")})
    moved = file.parent.rename(tmp_path / "package") / file.name
    assert HashMemory().sha256_of(moved) == "as written" and counted == []
    moved.write_bytes(b"two")
    assert HashMemory().sha256_of(moved) == hashlib.sha256(b"two").hexdigest()
