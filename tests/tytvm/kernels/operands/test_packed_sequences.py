"""Each sequence begins at a whole step; a task sees the keys of its own sequence only."""

import numpy as np
import pytest

from tytvm.kernels.operands.packed_sequences import PackedSequences

SHAPE = PackedSequences((40, 0, 5), H=4, KH=2, D=40, Dv=24, scale=0.5, tiled=True)


def test_the_token_at_each_position():
    rows = SHAPE.token_rows()
    assert len(rows) == SHAPE.positions == 96 and SHAPE.tokens == 45
    np.testing.assert_array_equal(rows[:40], np.arange(40))
    np.testing.assert_array_equal(rows[64:69], np.arange(40, 45))
    assert (rows[40:64] == -1).all() and (rows[69:] == -1).all()


def test_tasks_name_their_queries_and_keys():
    assert SHAPE.tasks().tolist() == [[0, 0, 40], [32, 0, 40], [64, 64, 5]]
    assert SHAPE.work == 40 * 40 + 5 * 5


@pytest.mark.parametrize("tiled", [False, True])
def test_packed_tensors_hold_every_position(tiled):
    shape = PackedSequences((40, 0, 5), 4, 2, 40, 24, 0.5, tiled)
    (queries, _), (keys, _), (values, _) = shape.packed()
    bytes_of_keys = 2 if tiled else 1  # two bfloat16 to an int32
    assert np.prod(queries) == 4 * 96 * shape.depth and np.prod(keys) * bytes_of_keys == 2 * 96 * shape.depth
    assert np.prod(values) == 2 * 96 * shape.width
    assert (shape.depth, shape.width) == ((64, 32) if tiled else (40, 32))
