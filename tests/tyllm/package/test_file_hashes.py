"""Hashes are cached as long as a file stays the same."""

import hashlib
import json

import pytest

from tyllm.package import FileEntry, file_hashes
from tyllm.package.file_hashes import HashCache, remember_hashes


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
    file, store = tmp_path / "x", tmp_path / "deep" / "cache.json"
    file.write_bytes(b"one")
    for _ in range(2):
        hashes = HashCache(store)
        assert hashes.cached_sha256(file) == hashlib.sha256(b"one").hexdigest()
        hashes.save()
    assert counted == ["x"]
    file.write_bytes(b"two")
    assert HashCache(store).cached_sha256(file) == hashlib.sha256(b"two").hexdigest()


def test_a_damaged_or_unwritable_cache_is_no_error(tmp_path, counted):
    (tmp_path / "cache").mkdir()
    (tmp_path / "x").write_bytes(b"one")
    for store in (tmp_path / "cache", tmp_path / "x" / "below"):
        hashes = HashCache(store)
        hashes.cached_sha256(tmp_path / "x")
        hashes.save()
    assert counted == ["x", "x"]


def test_the_oldest_of_more_than_a_thousand_are_dropped(tmp_path):
    """The cache is read at each opening of a package, so its size has a bound."""
    store = tmp_path / "cache.json"
    store.write_text(json.dumps({f"file {index}": "0" * 64 for index in range(5000)}))
    (tmp_path / "new").write_text("new")
    hashes = HashCache(store)
    hashes.fresh_sha256(tmp_path / "new")
    hashes.save()
    kept = json.loads(store.read_text())
    assert list(kept)[:-1] == [f"file {index}" for index in range(4001, 5000)]
    assert HashCache(store).cached_sha256(tmp_path / "new") == list(kept.values())[-1] != "0" * 64


def test_what_was_hashed_while_it_was_written_is_not_read_again(tmp_path, counted):
    file = tmp_path / "params" / "x.params"
    file.parent.mkdir()
    file.write_bytes(b"one")
    remember_hashes(tmp_path, {"params/x.params": FileEntry(3, "as written")})
    moved = file.parent.rename(tmp_path / "package") / file.name
    assert HashCache().cached_sha256(moved) == "as written" and counted == []
    moved.write_bytes(b"two")
    assert HashCache().cached_sha256(moved) == hashlib.sha256(b"two").hexdigest()
