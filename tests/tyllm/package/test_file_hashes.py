"""Hashes are cached as long as a file stays the same, and never for bytes that were not hashed."""

import errno
import hashlib
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tyllm.package import FileEntry, file_hashes
from tyllm.package.file_hashes import HashCache, remember_hashes, sha256_of_file

REAL = file_hashes.sha256_of


def digest(content):
    return hashlib.sha256(content).hexdigest()


@pytest.fixture
def counted(monkeypatch):
    """The files that are really hashed."""
    seen = []

    def count(descriptor):
        seen.append(Path(f"/proc/self/fd/{descriptor}").readlink().name)
        return REAL(descriptor)

    monkeypatch.setattr(file_hashes, "sha256_of", count)
    return seen


@pytest.fixture
def store(tmp_path):
    return tmp_path / "deep" / "cache.json"


def hash_with(store, file):
    """The hash, with a cache that is read and saved."""
    hashes = HashCache(store)
    found = hashes.cached_sha256(file)
    hashes.save()
    return found


def test_a_file_is_hashed_once_until_it_changes(tmp_path, store, counted):
    file = tmp_path / "x"
    file.write_bytes(b"one")
    for _ in range(2):
        assert hash_with(store, file) == digest(b"one")
    assert counted == ["x"]
    file.write_bytes(b"two")
    assert HashCache(store).cached_sha256(file) == digest(b"two")


def test_a_change_right_after_the_hashing_shows(tmp_path, store):
    """The clock of file times goes in steps, so a change within the same step would have the same times."""
    file = tmp_path / "x"
    for index in range(50):
        file.write_bytes(b"%04d" % index)
        hash_with(store, file)
        with file.open("r+b") as again:
            again.write(b"%04d" % (9999 - index))
        assert hash_with(store, file) == digest(b"%04d" % (9999 - index))


@pytest.mark.parametrize("fresh", [False, True])
def test_what_changes_while_it_is_hashed_is_not_remembered(tmp_path, store, monkeypatch, fresh):
    """Another process writes to the part that was read already: the hash is of bytes that are nowhere now."""
    file = tmp_path / "x"
    file.write_bytes(b"good" * 1000)

    def slow(descriptor):
        found = REAL(descriptor)
        with file.open("r+b") as other:
            other.write(b"evil")
        return found

    hashes = HashCache(store)
    with file.open("rb") as opened, monkeypatch.context() as patched:
        patched.setattr(file_hashes, "sha256_of", slow)
        assert hashes.sha256_of(opened.fileno(), fresh=fresh) == digest(b"good" * 1000)
        hashes.save()
    assert hash_with(store, file) == digest(b"evil" + b"good" * 999)


def test_what_changes_before_it_is_looked_at_again_is_forgotten(tmp_path, store, monkeypatch):
    file = tmp_path / "x"
    file.write_bytes(b"one")
    hash_with(store, file)
    hashes = HashCache(store)
    with file.open("rb") as opened:
        hashes.forget(opened.fileno())
    hashes.save()
    monkeypatch.setattr(file_hashes, "sha256_of", lambda descriptor: "computed again")
    assert HashCache(store).cached_sha256(file) == "computed again"


@pytest.mark.parametrize(
    "content",
    [b"\xff", b"[]", b'{"a": 1}', b"[" * 100_000, b'{"a":' * 100_000, b"null", b'{"a": {}}', b"{", b"", b"[1" * 2**21],
)
def test_a_damaged_or_hostile_cache_is_none(tmp_path, store, content):
    store.parent.mkdir()
    store.write_bytes(content)
    (tmp_path / "x").write_bytes(b"one")
    assert hash_with(store, tmp_path / "x") == digest(b"one")
    assert list(json.loads(store.read_text()).values()) == [digest(b"one")]


def test_a_cache_with_hashes_that_are_none(tmp_path, store):
    (tmp_path / "x").write_bytes(b"one")
    hash_with(store, tmp_path / "x")
    store.write_text(json.dumps(dict.fromkeys(json.loads(store.read_text()), "not a hash")))
    assert hash_with(store, tmp_path / "x") == digest(b"one")


def test_a_cache_of_another_user_is_none(tmp_path, store, monkeypatch):
    (tmp_path / "x").write_bytes(b"one")
    hash_with(store, tmp_path / "x")
    monkeypatch.setattr(os, "geteuid", lambda: 12345)
    monkeypatch.setattr(file_hashes, "sha256_of", lambda descriptor: "computed again")
    assert HashCache(store).cached_sha256(tmp_path / "x") == "computed again"


def test_a_cache_that_is_a_pipe_does_not_wait(tmp_path, store):
    store.parent.mkdir()
    os.mkfifo(store)
    (tmp_path / "x").write_bytes(b"one")
    assert hash_with(store, tmp_path / "x") == digest(b"one")


def test_a_cache_that_cannot_be_written_is_no_error_and_leaves_nothing(tmp_path, monkeypatch):
    (tmp_path / "cache").mkdir()
    (tmp_path / "x").write_bytes(b"one")
    for store in (tmp_path / "cache", tmp_path / "x" / "below"):
        assert hash_with(store, tmp_path / "x") == digest(b"one")

    def full(*_):
        raise OSError(errno.ENOSPC, "full")

    monkeypatch.setattr(Path, "replace", full)
    hash_with(tmp_path / "cache" / "hashes.json", tmp_path / "x")
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["cache", "x"]


def test_what_a_killed_process_left_is_removed_later(tmp_path, store):
    (tmp_path / "x").write_bytes(b"one")
    store.parent.mkdir()
    old, new = (store.with_name(f"cache.json.{name}.tmp") for name in ("old", "new"))
    for path in (old, new):
        path.touch()
    os.utime(old, (0, time.time() - 7200))
    hash_with(store, tmp_path / "x")
    assert not old.exists() and new.exists()


def test_without_a_home_there_is_no_cache(tmp_path, monkeypatch, counted):
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.delenv("HOME", raising=False)
    monkeypatch.setattr("pwd.getpwuid", lambda number: {}[number])
    (tmp_path / "x").write_bytes(b"one")
    for _ in range(2):
        assert hash_with(None, tmp_path / "x") == digest(b"one")
    assert counted == ["x", "x"]


def test_several_processes_lose_nothing_that_matters(tmp_path, store):
    """Each writes the whole file and its own hash: whoever comes last has what was there before."""
    code = "import sys\nfrom pathlib import Path\nfrom tyllm.package.file_hashes import HashCache\n" \
           "h = HashCache(Path(sys.argv[1])); h.cached_sha256(Path(sys.argv[2])); h.save()"  # fmt: skip
    files = [tmp_path / str(number) for number in range(4)]
    for file in files:
        file.write_text(file.name)
    processes = [subprocess.Popen([sys.executable, "-c", code, store, file]) for file in files]
    assert [process.wait() for process in processes] == [0] * 4
    for file in files:
        hash_with(store, file)
    assert sorted(json.loads(store.read_text()).values()) == sorted(digest(file.read_bytes()) for file in files)
    assert [path.name for path in store.parent.iterdir()] == ["cache.json"]


def test_the_oldest_of_more_than_a_thousand_are_dropped(tmp_path):
    """The cache is read at each opening of a package, so its size has a bound."""
    store = tmp_path / "cache.json"
    store.write_text(json.dumps({f"file {index}": "0" * 64 for index in range(5000)}))
    (tmp_path / "new").write_text("new")
    hashes = HashCache(store)
    hashes.cached_sha256(tmp_path / "new")
    hashes.save()
    kept = json.loads(store.read_text())
    assert list(kept)[:-1] == [f"file {index}" for index in range(4001, 5000)]
    assert HashCache(store).cached_sha256(tmp_path / "new") == list(kept.values())[-1] != "0" * 64


def test_what_was_hashed_while_it_was_written_is_not_read_again(tmp_path, counted):
    file = tmp_path / "params" / "x.params"
    file.parent.mkdir()
    file.write_bytes(b"one")
    remember_hashes(tmp_path, {"params/x.params": FileEntry(3, "f" * 64)})
    moved = file.parent.rename(tmp_path / "package") / file.name
    assert HashCache().cached_sha256(moved) == "f" * 64 and counted == []
    moved.write_bytes(b"two")
    assert HashCache().cached_sha256(moved) == digest(b"two")


def test_a_large_file_that_is_truncated_while_it_is_hashed_ends_no_process(tmp_path, monkeypatch):
    """Through a mapping it would: reading behind the end is SIGBUS."""
    monkeypatch.setattr(file_hashes, "_LARGE", 1 << 20)
    file = tmp_path / "x"
    file.write_bytes(bytes(3 << 20))
    assert sha256_of_file(file) == digest(bytes(3 << 20))
    real = os.preadv

    def shorter(descriptor, blocks, offset, *flags):
        os.truncate(file, 1 << 20)
        if flags:
            raise BlockingIOError
        return real(descriptor, blocks, offset)

    monkeypatch.setattr(os, "preadv", shorter)
    assert sha256_of_file(file) == digest(bytes(1 << 20))
