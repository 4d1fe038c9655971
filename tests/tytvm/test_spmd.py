"""Workers share a parallel loop: every iteration once, whatever their number."""

import json

import numpy as np
import pytest
from tests.tytvm.kernels.harness import Kernel, aligned
from tvm.script import tirx as T

from tytvm.spmd import least_iterations, lower_blocks, share_over_workers
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
        share_over_workers(kernel)


def test_context_and_worker_are_appended():
    assert [parameter.name for parameter in share_over_workers(count).params] == ["counts", "context", "worker"]


@pytest.mark.parametrize(
    ("bytes_read", "operations", "least"),
    [(0, 0, 100), (20_000, 0, 100), (2_000_000, 0, 1), (200_000, 0, 10), (0, 2_000_000, 10), (100_000, 1_000_000, 10)],
)
def test_a_piece_is_worth_asking_for(bytes_read, operations, least):
    cost = {"bytes_read": bytes_read, "bytes_written": 0, "operations": {"int8": operations}}
    assert least_iterations(100, count.with_attr("tytvm.cost", json.dumps(cost))) == least


def test_without_a_cost_the_buffers_tell():
    assert least_iterations(SIZE, count) == SIZE


def test_a_kernel_without_blocks_stays_as_it_is():
    assert lower_blocks(count) is count
