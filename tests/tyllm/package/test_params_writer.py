"""Parameters are written a tensor or a few rows at a time, in the order of the header."""

import hashlib

import numpy as np
import pytest

from tyllm.package import Params, ParamsWriter
from tyllm.package.params_writer import offsets

SPECS = {"a": ("float16", (5, 3)), "b": ("uint8", (4,))}


def test_offsets_are_multiples_of_a_cache_line():
    assert offsets({"a": ("uint8", (1,)), "b": ("uint8", (64,)), "c": ("float32", (17,)), "d": ("int8", (1,))}) == {
        "a": 0, "b": 64, "c": 128, "d": 256,
    }  # fmt: skip


def test_rows_may_come_in_parts(tmp_path):
    a = np.arange(15, dtype=np.float16).reshape(5, 3)
    with ParamsWriter(tmp_path / "x.params", SPECS) as writer:
        writer.append_rows("a", a[:2])
        writer.append_rows("a", a[2:])
        writer.append_rows("b", np.ones(4, np.uint8))
        entry = writer.close()
    assert np.array_equal(Params(tmp_path / "x.params").tensors["a"], a)
    data = (tmp_path / "x.params").read_bytes()
    assert (entry.size, entry.sha256) == (len(data), hashlib.sha256(data).hexdigest())


@pytest.mark.parametrize(
    ("name", "rows"),
    [("b", np.ones(4, np.uint8)), ("a", np.ones((5, 3), np.float32)), ("a", np.ones((5, 4), np.float16)),
     ("a", np.ones((6, 3), np.float16)), ("a", np.float16(1).reshape(()))],
)  # fmt: skip
def test_what_the_header_does_not_announce(tmp_path, name, rows):
    with ParamsWriter(tmp_path / "x.params", SPECS) as writer, pytest.raises(ValueError, match="is not next"):
        writer.append_rows(name, rows)


def test_missing_tensors(tmp_path):
    with ParamsWriter(tmp_path / "x.params", SPECS) as writer, pytest.raises(ValueError, match="2 tensors"):
        writer.close()
