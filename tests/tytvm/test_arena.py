"""Temporaries that are alive together never share a byte, whatever the calls."""

import random
from itertools import combinations

import pytest

from tytvm.arena import plan_arena
from tytvm.linearize import KernelCall
from tytvm.memory_layout import aligned, bytes_of
from tytvm.weights import TensorSpec


def chain(length):
    """Calls that hand one buffer on, x0 → x1 → x2."""
    calls = [KernelCall("k", (f"x{i}", f"x{i + 1}"), (1,)) for i in range(length)]
    return calls, {f"x{i}": TensorSpec((16,), "float32") for i in range(length + 1)}


def random_calls(seed):
    """Calls that read some buffers written before them and write a new one; a third of them are the head."""
    rng = random.Random(seed)
    names = [f"b{i}" for i in range(rng.randint(2, 30))]
    buffers = {name: TensorSpec((rng.randint(1, 300),), rng.choice(["float32", "int8"])) for name in names}
    calls = []
    for index, name in enumerate(names):
        reads = rng.sample(names[:index], min(index, rng.randint(0, 3)))
        calls.append(KernelCall("k", (*reads, name), (len(reads),)))
    return calls, buffers, len(calls) * 2 // 3


@pytest.mark.parametrize("seed", range(50))
def test_live_buffers_do_not_overlap(seed):
    calls, buffers, head_start = random_calls(seed)
    layout = plan_arena(calls, head_start, buffers)
    first = {n: min(i for i, call in enumerate(calls) if n in call.arguments) for n in buffers}
    last = {n: max(i for i, call in enumerate(calls) if n in call.arguments) for n in buffers}
    last |= {n: len(calls) for n in buffers if first[n] < head_start <= last[n]}  # the head may run again
    assert set(layout.offsets) == set(buffers)
    for a, b in combinations(buffers, 2):
        if first[a] <= last[b] and first[b] <= last[a]:
            start_a, start_b = layout.offsets[a], layout.offsets[b]
            assert start_a + bytes_of(buffers[a]) <= start_b or start_b + bytes_of(buffers[b]) <= start_a
    assert all(offset % 64 == 0 for offset in layout.offsets.values())
    assert layout.total == max(layout.offsets[n] + aligned(bytes_of(buffers[n])) for n in buffers)


def test_memory_is_used_again():
    calls, buffers = chain(20)
    assert plan_arena(calls, len(calls), buffers).total == 2 * 64


def test_what_the_head_reads_survives_it():
    """x1 is the hidden state: nothing that the head writes may lie on it, though x1 is read only once."""
    calls, buffers = chain(6)
    layout = plan_arena(calls, 1, buffers)
    assert all(layout.offsets[f"x{i}"] != layout.offsets["x1"] for i in range(2, 7))


def test_only_temporaries_are_placed():
    calls = [KernelCall("k", ("params:w", "io:tokens", "a"), (2,)), KernelCall("k", ("a", "io:logits"), (1,))]
    buffers = {name: TensorSpec((1,), "float32") for name in ("params:w", "io:tokens", "a", "io:logits")}
    assert dict(plan_arena(calls, 2, buffers).offsets) == {"a": 0}
