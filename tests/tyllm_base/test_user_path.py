"""A path that a user gave is taken, and anything else refused."""

from pathlib import Path

import pytest

from tyllm_base.errors import CheckpointError
from tyllm_base.user_path import user_path


@pytest.mark.parametrize("given", ["a/b", Path("a/b")])
def test_paths_are_taken(given):
    assert user_path(given, CheckpointError) == Path("a/b")


@pytest.mark.parametrize(
    "given", [None, 3, b"a/b", ["a/b"], "a\0b", "\ud800", Path("a\0b"), pytest.param(10**5000, id="digits")]
)
def test_anything_else_is_refused_with_the_error_wanted(given):
    with pytest.raises(CheckpointError, match="is no path"):
        user_path(given, CheckpointError)
