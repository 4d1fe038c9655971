"""A mapped file shows its bytes as long as somebody looks, without a descriptor, and goes with the last view."""

from pathlib import Path

import numpy as np
import pytest

from tyllm.package.memory_map import map_file


def mapping(path):
    with path.open("rb") as file:
        return map_file(file.fileno(), path.stat().st_size)


def lines(path):
    return sum(str(path) in line for line in Path("/proc/self/maps").read_text().splitlines())


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(bytes(range(256)) * 64)
    return path


def test_the_bytes_of_a_file(file, descriptors):
    before = descriptors()
    mapped = mapping(file)
    assert descriptors() == before
    assert mapped.tobytes() == file.read_bytes()
    with pytest.raises(ValueError, match="read-only"):
        mapped[0] = 1


def test_the_last_view_unmaps_it(file):
    mapped = mapping(file)
    view = mapped[64:].view(np.float32)
    del mapped
    assert lines(file) == 1
    assert view.nbytes == 16384 - 64
    del view
    assert lines(file) == 0


def test_an_empty_file(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match="Invalid argument"):
        mapping(tmp_path / "file")
