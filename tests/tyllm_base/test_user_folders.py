"""Caches and temporary folders, for users without a home too."""

import tempfile

import pytest

from tyllm_base.errors import OutputError
from tyllm_base.user_folders import cache_folder, temporary_place, writable_cache_folder


@pytest.fixture
def homeless(monkeypatch):
    """A user whom nobody knows."""
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.delenv("HOME", raising=False)
    monkeypatch.setattr("os.path.expanduser", lambda path: path)  # as without an entry in passwd


def test_the_users_cache(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    assert cache_folder() == tmp_path / ".cache" / "tyllm"
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    assert cache_folder() == tmp_path / ".cache" / "tyllm"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "own"))
    assert writable_cache_folder("x") == tmp_path / "own" / "tyllm" / "x"


@pytest.mark.usefixtures("homeless")
def test_without_a_home_there_is_no_cache():
    assert cache_folder() is None and writable_cache_folder("x") is None


@pytest.mark.parametrize("home", ["relative", "", "/dev/null", "/proc/nonexistent"])
def test_a_home_that_is_none(monkeypatch, home):
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setenv("HOME", home)
    assert writable_cache_folder("x") is None


def test_temporary_files_go_where_there_is_room(monkeypatch, tmp_path):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    assert temporary_place() == tmp_path


def test_without_tmp_they_go_to_the_cache(monkeypatch, tmp_path):
    def nowhere():
        raise FileNotFoundError("none of them")

    monkeypatch.setattr(tempfile, "gettempdir", nowhere)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert temporary_place() == tmp_path / "tyllm" / "temporary"
    monkeypatch.setenv("XDG_CACHE_HOME", "/dev/null")
    with pytest.raises(OutputError, match="set TMPDIR"):
        temporary_place()
