"""The package's JSON, from a program of three steps."""

import json
from types import SimpleNamespace

import pytest

from tyllm.build.metadata import kv_layers, program_json, summarize, write_program
from tyllm.package import IoEntry, KvLayer
from tyllm.package.step_shape import StepShape
from tytvm.collectives import ALL_REDUCE
from tytvm.kernel_choice import Kernels
from tytvm.kernels.operands.kv_cache import KvCache
from tytvm.kernels.operators import RmsNorm
from tytvm.memory_layout import lay_out
from tytvm.memory_plan import BufferSlice, KernelLaunch, PlannedProgram
from tytvm.target import resolve
from tytvm.weights import TensorSpec

TARGET = resolve("x86-64")
CACHE = KvCache(2, 80, 24, 16, "int8")
KV = lay_out({f"{n}.{suffix}": TensorSpec(*spec) for n in (0, 10, 2) for suffix, spec in CACHE.tensors.items()})
TOKENS, SUM, LOGITS = (
    BufferSlice("tokens", "io", 0, 64),
    BufferSlice("a", "arena", 0, 128),
    BufferSlice("logits", "io", 64, 40),
)


@pytest.fixture(scope="module")
def program():
    layouts = {
        "params": lay_out({"w": TensorSpec((4, 4), "float16")}),
        "constants": lay_out({}),
        "kv": KV,
        "arena": lay_out({"a": TensorSpec((32,), "float32")}),
        "io": lay_out({"tokens": TensorSpec((1, 8), "int64"), "logits": TensorSpec((10,), "float32")}),
    }
    rms_norm = Kernels(TARGET, True).choose(RmsNorm(4, 8, 1e-6)).function()
    kernels = {"rms_norm": rms_norm, "tail": SimpleNamespace(attrs=None)}
    body = (KernelLaunch("rms_norm", (TOKENS, SUM), (1,), False), KernelLaunch(ALL_REDUCE, (SUM,), (0,), False))
    return summarize(PlannedProgram(body, (KernelLaunch("tail", (SUM, LOGITS), (1,), True),), kernels, layouts, {}))


@pytest.fixture(scope="module")
def described(program):
    return program_json([{StepShape(1, 8): program}])["dies"][0]["programs"]["8"]


def test_caches_by_layer():
    """Layers are in the order of their numbers, not of their names."""
    assert kv_layers(KV) == tuple(
        KvLayer(offset["k"], offset["v"], 2, 24, 16, "int8", offset["k_scale"], offset["v_scale"])
        for offset in ({suffix: KV.offsets[f"{n}.{suffix}"] for suffix in CACHE.tensors} for n in (0, 2, 10))
    )


def test_steps(described):
    first, collective, last = *described["body"], *described["head"]
    assert (first["kernel"], first["reads"], first["writes"]) == ("rms_norm", ["tokens"], ["a"])
    assert (collective["reads"], collective["writes"]) == (["a"], ["a"])
    assert [step["barrier_before"] for step in (first, collective, last)] == [False, False, True]


def test_costs(described):
    """A kernel of ours knows its own; of the long tail, bytes and elements written are counted."""
    assert described["body"][0]["cost"] == {"operations": {"float32": 128}, "bytes_read": 160, "bytes_written": 128}
    assert described["head"][0]["cost"] == {"operations": {"float32": 10}, "bytes_read": 128, "bytes_written": 40}


def test_buffers(described):
    assert described["buffers"]["logits"] == {"place": "io", "offset": 64, "bytes": 40}
    assert {buffer["place"] for buffer in described["buffers"].values()} == {"params", "kv", "arena", "io"}


def test_memories(program):
    assert (program.memories.arena_bytes, program.memories.io_bytes, program.constants_bytes) == (128, 128, 0)
    assert program.memories.io["logits"] == IoEntry(64, (10,), "float32")


def test_it_is_written_as_json(program, tmp_path):
    write_program(tmp_path, [{StepShape(1, 8): program}])
    assert json.loads((tmp_path / "program.json").read_text()) == program_json([{StepShape(1, 8): program}])
