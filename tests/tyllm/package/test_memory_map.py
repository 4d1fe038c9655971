"""A mapped file shows its bytes; an empty one cannot be mapped."""

import pytest

from tyllm.package.memory_map import map_file


def test_the_bytes_of_a_file(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(bytes(range(256)) * 64)
    with path.open("rb") as file, map_file(file) as mapped:
        assert mapped[:] == path.read_bytes()


def test_an_empty_file(tmp_path):
    path = tmp_path / "file"
    path.touch()
    with path.open("rb") as file, pytest.raises(ValueError, match="empty"):
        map_file(file)
