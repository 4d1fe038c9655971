"""The table of plain text, and the program that is asked for any other."""

from types import SimpleNamespace

import numpy as np
import pytest

from tyllm.package import IoEntry, write_params
from tyllm.runtime.cache.rope_table import RopeTable
from tyllm.runtime.prompt.rope_index import rope_index
from tyllm_base.errors import PackageError

ROWS = 6
PLAIN = np.arange(ROWS * 4, dtype=np.float32).reshape(ROWS, 2, 2)


def opened(folder, tensors):
    write_params(folder / "rope_param.params", tensors)
    return SimpleNamespace(folder=folder, files=folder, rope=None, buffers=SimpleNamespace(max_kv_cache_size=ROWS))


def test_plain_text_has_the_table_that_is_there(tmp_path):
    table = RopeTable(opened(tmp_path, {"rope_param": PLAIN}))
    assert np.array_equal(table.table_of(rope_index(ROWS, [])), PLAIN)
    table.close()


def test_anything_else_is_computed(tmp_path):
    table, asked = RopeTable(opened(tmp_path, {"rope_param": PLAIN})), []
    with pytest.raises(PackageError, match="has no program for rotary positions"):
        table.table_of(rope_index(ROWS, []) + 1)
    table.__dict__["_module"] = lambda name, inputs: asked.append((name, inputs)) or {"rope_param": PLAIN + 1}
    assert np.array_equal(table.table_of(rope_index(ROWS, []) + 1), PLAIN + 1)
    assert asked[0][0] == "compute_rope_param"
    assert asked[0][1]["positions"].dtype == np.int32


@pytest.mark.parametrize(
    "tensors",
    [{"other": PLAIN}, {"rope_param": PLAIN[1:]}, {"rope_param": PLAIN[:, :1]}, {"rope_param": PLAIN.view(np.int32)}],
)
def test_a_table_that_does_not_fit(tmp_path, tensors):
    with pytest.raises(PackageError, match=r"instead of a rope_param \[6, 2, …\] of float32; compile the model again"):
        RopeTable(opened(tmp_path, tensors))


@pytest.mark.parametrize("width", [1, 4])
def test_a_table_of_another_width_than_the_program_makes(tmp_path, width):
    package = opened(tmp_path, {"rope_param": np.zeros((ROWS, 2, width), np.float32)})
    memory = SimpleNamespace(io={"rope_param": IoEntry(0, (ROWS, 2, 2), "float32")})
    package.rope = SimpleNamespace(dies=[{"compute_rope_param": memory}])
    with pytest.raises(PackageError, match=r"instead of a rope_param \[6, 2, 2\]"):
        RopeTable(package)
