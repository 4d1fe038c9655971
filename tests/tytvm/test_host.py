"""The host function: one export for each part, and a pointer for each buffer at its place."""

from tests.tytvm.test_spmd import count

from tytvm.collectives import ALL_REDUCE
from tytvm.host import KERNEL, host_module, kernel_module
from tytvm.memory_plan import BufferSlice, KernelLaunch, PlannedProgram


def program(*steps):
    return PlannedProgram(tuple(steps), (), {"count": count}, {}, {})


def text(*steps):
    return host_module(program(*steps), {"body": "llm_body", "head": "llm_head"})["llm_body"].script()


def test_an_export_for_each_part():
    module = host_module(program(), {"body": "llm_body", "head": "llm_head"})
    exported = {str(f.attrs["global_symbol"]) for f in module.functions.values() if "global_symbol" in (f.attrs or {})}
    assert exported == {"llm_body", "llm_head"}
    names = [parameter.name for parameter in module["llm_head"].params]
    assert names == ["params", "constants", "kv", "arena", "io", "context", "worker", "workers"]


def test_a_step_is_a_call_with_the_buffers_place():
    script = text(KernelLaunch("count", (BufferSlice("a", "arena", 192, 52),), (0,), False))
    assert "handle_add_byte_offset(arena, 192)" in script and "tyllm_barrier" not in script


def test_a_barrier_stands_before_its_step():
    region = BufferSlice("a", "arena", 0, 52)
    script = text(KernelLaunch("count", (region,), (0,), False), KernelLaunch("count", (region,), (0,), True))
    assert script.count("tyllm_barrier") == 1
    assert script.index("kernel_count") < script.index("tyllm_barrier") < script.rindex("kernel_count")


def test_a_collective_counts_floats():
    script = text(KernelLaunch(ALL_REDUCE, (BufferSlice("a", "io", 64, 52),), (0,), False))
    assert "tyllm_all_reduce" in script and "13)" in script


def test_kernels_are_built_apart_and_called_by_symbol():
    symbol = KERNEL.format("", "count")
    (kernel,) = kernel_module(program()).functions.values()
    assert kernel.attrs["global_symbol"] == symbol
    assert symbol in text(KernelLaunch("count", (BufferSlice("a", "arena", 0, 52),), (0,), False))
