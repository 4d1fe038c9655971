"""The cache's folder is the user's own choice, or below the home; a user without a home has none."""

from pathlib import Path

import pytest

from tyllm_base.user_cache import user_cache


def test_the_users_choice_and_the_home(monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", "/somewhere")
    assert user_cache() == Path("/somewhere")
    monkeypatch.setenv("XDG_CACHE_HOME", "")
    monkeypatch.setenv("HOME", "/home/me")
    assert user_cache() == Path("/home/me/.cache")


@pytest.fixture
def homeless(monkeypatch):
    """As in a container whose user is a number: no HOME, and no entry in the table of users."""
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.delenv("HOME", raising=False)
    monkeypatch.setattr("pwd.getpwuid", lambda number: {}[number])


def test_no_home(homeless):
    assert user_cache() is None
