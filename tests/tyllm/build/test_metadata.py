"""The package's JSON, from a program of three steps."""

import json
from dataclasses import replace
from types import SimpleNamespace

import pytest
from tests.tyllm.llm.test_compile_settings import GOOD

from tyllm.build.metadata import EXPORTS, buffer_config, summarize, kv_layers, manifest, program_json, write_program
from tyllm.build.weight_formats import Quantization
from tyllm.package import FileEntry, IoEntry, KvLayer
from tytvm.collectives import ALL_REDUCE
from tytvm.kernel_choice import Kernels
from tytvm.kernels.operators import RmsNorm
from tytvm.kernels.attention.kv_cache import KvCache
from tytvm.memory_layout import lay_out
from tytvm.memory_plan import PlannedProgram, BufferSlice, KernelLaunch
from tytvm.target import resolve
from tytvm.weights import TensorSpec

TARGET = resolve("x86-64")
CACHE = KvCache(2, 80, 24, 16, "int8")
KV = lay_out({f"{n}.{suffix}": TensorSpec(*spec) for n in (0, 10, 2) for suffix, spec in CACHE.tensors.items()})
TOKENS, SUM, LOGITS = BufferSlice("tokens", "io", 0, 64), BufferSlice("a", "arena", 0, 128), BufferSlice("logits", "io", 64, 40)


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
    return program_json([{8: program}])["dies"][0]["programs"]["8"]


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


def test_it_is_written_as_json(program, tmp_path):
    write_program(tmp_path, [{8: program}])
    assert json.loads((tmp_path / "program.json").read_text()) == program_json([{8: program}])


def test_buffer_config(program):
    plan = SimpleNamespace(sharding=SimpleNamespace(vocabulary=((0, 10), (10, 19))))
    config = buffer_config(GOOD, plan, [{1: program, 8: program}] * 2)
    assert (config.max_kv_cache_size, config.kv_capacity, config.seq_lens) == (64, 80, (1, 8))
    assert [die.vocabulary for die in config.dies] == [(0, 10), (10, 19)]
    memories = config.dies[1].programs[8]
    assert (memories.arena_bytes, memories.io_bytes, config.dies[0].kv_bytes) == (128, 128, KV.total)
    assert memories.io["logits"] == IoEntry(64, (10,), "float32")


@pytest.mark.parametrize(
    ("quantization", "activations", "expected"),
    [
        (Quantization(None, 128, frozenset()), "float16", None),
        (Quantization("awq", 32, frozenset({"w"})), "int8", {"method": "awq", "bits": 4, "group_size": 32}),
    ],
)
def test_manifest(meta_model, tiny, quantization, activations, expected):
    model, files = meta_model(), {"config.json": FileEntry(1, "00")}
    plan = SimpleNamespace(sharding=SimpleNamespace(vocabulary=((0, 320),)))
    found = manifest(replace(GOOD, model_path=tiny), model, plan, quantization, TARGET, files)
    assert (found.architecture, found.model_type) == ("Qwen2ForCausalLM", "qwen2")
    assert (found.vocab_size, found.hidden_size, found.layers, found.dies) == (320, 128, 2, 1)
    assert (found.activations, found.quantization) == (activations, expected)
    assert found.exports == EXPORTS and found.files == files
    assert found.source["checkpoint"] == tiny.name  # no path of the machine that compiled it
    assert (found.target.triple, found.target.features) == ("x86_64-linux-gnu", TARGET.flags)
    assert set(found.built_with) == {"python", "apache-tvm", "torch", "transformers"}
