"""Kernels of several loop nests, split into kernels of one and run one after the other, give what NumPy gives."""

import numpy as np
import pytest
from tests.tytvm.kernels.harness import Kernel, aligned
from tvm import relax

from tytvm.loop_nests import split_loop_nests
from tytvm.lower import lower
from tytvm.target import resolve

SHAPE = (3, 40)


def legalized(*operators):
    """The one kernel that operators applied in turn become, and its number of inputs."""
    builder = relax.BlockBuilder()
    x = relax.Var("x", relax.TensorType(SHAPE, "float32"))
    with builder.function("main", [x]):
        with builder.dataflow():
            value = x
            for operator in operators:
                value = builder.emit(operator(value))
            result = builder.emit_output(value)
        builder.emit_func_output(result)
    module = lower(builder.get())
    (kernel,) = [f for f in module.functions.values() if not isinstance(f, relax.Function)]
    return kernel


def run(split, x, shape, workers):
    """All nests in order, each by all its workers; a barrier between nests is all that a program adds."""
    buffers = {0: aligned(x), 1: aligned(np.full(shape, np.nan, np.float32))}
    buffers |= {name: aligned(np.zeros(size, dtype)) for name, (size, dtype) in split.temporaries.items()}
    for nest in split.nests:
        kernel = Kernel(nest.function, resolve("native"))
        for worker in range(workers):
            kernel.run([buffers[argument] for argument in nest.arguments], worker, workers)
    return buffers[1]


def softmax(x):
    powers = np.exp(x - x.max(-1, keepdims=True))
    return powers / powers.sum(-1, keepdims=True)


@pytest.mark.parametrize("workers", [1, 3])
def test_softmax(workers):
    split = split_loop_nests(legalized(lambda x: relax.op.nn.softmax(x, -1)))
    assert len(split.nests) == 3  # the maximum, the sum of exponentials, the quotient
    assert [shape for shape, _ in split.temporaries.values()].count((3,)) >= 2
    x = np.random.default_rng(0).normal(0, 3, SHAPE).astype(np.float32)
    np.testing.assert_allclose(run(split, x, SHAPE, workers), softmax(x), rtol=1e-5)


def test_elementwise_producers_are_inlined():
    split = split_loop_nests(legalized(relax.op.exp, relax.op.negative, relax.op.tanh))
    assert len(split.nests) == 1
    x = np.random.default_rng(1).normal(size=SHAPE).astype(np.float32)
    np.testing.assert_allclose(run(split, x, SHAPE, 2), np.tanh(-np.exp(x)), rtol=1e-5)


def test_a_producer_is_inlined_into_a_reduction():
    split = split_loop_nests(legalized(relax.op.exp, lambda x: relax.op.sum(x, -1)))
    assert len(split.nests) == 1
    x = np.random.default_rng(2).normal(size=SHAPE).astype(np.float32)
    np.testing.assert_allclose(run(split, x, SHAPE[:1], 2), np.exp(x).sum(-1), rtol=1e-5)


def test_a_reduction_to_a_single_number_still_has_a_parallel_loop():
    split = split_loop_nests(legalized(lambda x: relax.op.sum(x)))
    x = np.random.default_rng(3).normal(size=SHAPE).astype(np.float32)
    np.testing.assert_allclose(run(split, x, (), 3), x.sum(), rtol=1e-4)


def test_a_loop_nest_names_what_it_writes():
    split = split_loop_nests(legalized(lambda x: relax.op.nn.softmax(x, -1)))
    written = [nest.arguments[index] for nest in split.nests for index in nest.writes]
    assert sorted(written, key=str) == sorted([1, *split.temporaries], key=str)  # each buffer once
