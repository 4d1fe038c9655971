"""Workers share a parallel loop: every iteration once, whatever their number."""

import numpy as np
import pytest
from tests.tytvm.kernels.harness import Kernel, aligned
from tvm.script import tirx as T

from tytvm.spmd import lower_blocks, slice_over_workers
from tytvm.target import resolve

SIZE = 13


@T.prim_func(private=True)
def count(counts: T.Buffer((SIZE,), "int32")):
    for i in T.parallel(SIZE):
        counts[i] = counts[i] + 1


@T.prim_func(private=True)
def no_parallel_loop(counts: T.Buffer((SIZE,), "int32")):
    for i in range(SIZE):
        counts[i] = 1


@T.prim_func(private=True)
def two_parallel_loops(counts: T.Buffer((SIZE,), "int32")):
    for i in T.parallel(SIZE):
        counts[i] = 1
    for i in T.parallel(SIZE):
        counts[i] = 2


@pytest.fixture(scope="module")
def counter():
    return Kernel(count, resolve("native"))


@pytest.mark.parametrize("workers", [1, 2, 3, 7, SIZE, 20])
def test_every_iteration_once(counter, workers):
    shares = []
    for worker in range(workers):
        counts = aligned(np.zeros(SIZE, np.int32))
        counter.run([counts], worker, workers)
        shares.append(counts)
    assert np.sum(shares, axis=0).tolist() == [1] * SIZE
    sizes = [share.sum() for share in shares]
    assert max(sizes) - min(sizes) <= 1


@pytest.mark.parametrize(("kernel", "found"), [(no_parallel_loop, 0), (two_parallel_loops, 2)])
def test_exactly_one_parallel_loop(kernel, found):
    with pytest.raises(ValueError, match=f"exactly one parallel loop; this one has {found}"):
        slice_over_workers(kernel)


def test_two_numbers_are_appended():
    assert [parameter.name for parameter in slice_over_workers(count).params] == ["counts", "worker", "workers"]


def test_a_kernel_without_blocks_stays_as_it_is():
    assert lower_blocks(count) is count
