"""Barriers stand exactly where they are needed; the head is what depends on the row."""

import numpy as np
import pytest

from tytvm.collectives import ALL_REDUCE
from tytvm.linearize import CallList, KernelCall
from tytvm.memory_layout import lay_out
from tytvm.memory_plan import BufferSlice, plan_memory
from tytvm.weights import TensorSpec

SPEC = TensorSpec((16,), "float32")


def call(reads, writes):
    """A call of names separated by spaces."""
    inputs, outputs = reads.split(), writes.split()
    return KernelCall("k", (*inputs, *outputs), tuple(range(len(inputs), len(inputs) + len(outputs))))


def planned(*calls, constants=()):
    """The program of calls written as (reads, writes)."""
    return planned_calls([call(*names) for names in calls], constants)


def planned_calls(calls, constants=()):
    names = dict.fromkeys(name for each in calls for name in each.arguments)
    buffers = dict.fromkeys([*names, "io:position"], SPEC)
    weights = lay_out({name.removeprefix("params:"): SPEC for name in names if name.startswith("params:")})
    kv = lay_out({name.removeprefix("kv:"): SPEC for name in names if name.startswith("kv:")})
    return plan_memory(
        CallList(calls, {}, buffers), weights, kv, {name: np.zeros(16, np.float32) for name in constants}
    )


def barriers(program):
    return [step.barrier_before for step in (*program.body, *program.head)]


def arguments(steps):
    return [" ".join(region.name for region in step.arguments) for step in steps]


@pytest.mark.parametrize(
    ("calls", "expected"),
    [
        ([("io:tokens", "a"), ("a", "b"), ("b", "c")], [False, True, True]),  # reads what was written
        ([("io:tokens", "a"), ("io:tokens", "b"), ("a b", "c")], [False, False, True]),  # two at once, one barrier
        ([("params:w", "kv:0.k"), ("params:w", "kv:0.v")], [False, False]),  # reading together is harmless
        ([("kv:0.k", "a"), ("io:tokens", "kv:0.k")], [False, True]),  # writes what was read
        ([("io:tokens", "kv:0.k"), ("params:w", "kv:0.k")], [False, True]),  # writes what was written
        ([("io:tokens", "kv:0.k"), ("io:tokens", "kv:0.v"), ("kv:0.k kv:0.v", "a")], [False, False, True]),
    ],
)
def test_a_barrier_where_one_call_needs_another(calls, expected):
    assert barriers(planned(*calls)) == expected


def test_a_place_in_the_arena_is_used_again_only_behind_a_barrier_that_stands_anyway():
    program = planned(("io:tokens", "a"), ("a", "kv:0.k"), ("io:tokens", "b"), ("b", "c"), ("c", "kv:0.v"))
    first, _, third, fourth, _ = (step.arguments for step in program.body)
    assert not first[1].overlaps(third[1])  # b might lie where a lay, for one more barrier
    assert first[1].overlaps(fourth[1])
    assert barriers(program) == [False, True, False, True, True]


def test_a_collective_brings_its_own_barriers():
    calls = [call("io:tokens", "a"), KernelCall(ALL_REDUCE, ("a",), (0,)), call("a", "b")]
    assert barriers(planned_calls(calls)) == [False, False, False]


def test_the_head_is_what_depends_on_the_row():
    program = planned(("io:tokens", "a"), ("a io:row", "b"), ("a", "kv:0.k"), ("b params:w", "io:logits"))
    assert arguments(program.body) == ["tokens a", "a 0.k"]
    assert arguments(program.head) == ["a row b", "b w logits"]
    assert program.head[0].barrier_before


def test_memories():
    program = planned(("constants:cos io:tokens", "a"), ("a", "io:logits"), constants=["cos", "unused"])
    assert set(program.layouts) == {"params", "constants", "kv", "arena", "io"}
    assert set(program.layouts["io"].specs) == {"tokens", "logits", "position"}  # an input that nobody reads stays
    assert set(program.constants) == set(program.layouts["constants"].specs) == {"cos"}
    region = program.body[0].arguments[0]
    assert (region.memory, region.offset, region.size) == ("constants", 0, 64)


def test_slices_overlap_by_bytes():
    region = BufferSlice("a", "arena", 64, 64)
    assert region.overlaps(BufferSlice("b", "arena", 127, 1))
    assert not region.overlaps(BufferSlice("b", "arena", 128, 64))
    assert not region.overlaps(BufferSlice("b", "io", 64, 64))
