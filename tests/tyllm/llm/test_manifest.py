"""The manifest and the buffer configuration say what was compiled."""

from dataclasses import replace
from types import SimpleNamespace

import pytest
from tests.tyllm.llm.test_compile_settings import GOOD

from tyllm.build.metadata import ProgramSummary
from tyllm.build.weight_formats import Quantization
from tyllm.llm.decoder_build import EXPORTS
from tyllm.llm.manifest import buffer_config, manifest
from tyllm.llm.package_job import PackageJob
from tyllm.package import Exports, FileEntry, IoEntry, ProgramMemory, QuantizationEntry
from tyllm.package.step_shape import StepShape
from tytvm.kernels.operands.kv_cache import KvCache
from tytvm.memory_layout import lay_out
from tytvm.target import resolve
from tytvm.weights import TensorSpec

TARGET = resolve("x86-64")
KV = lay_out({f"0.{suffix}": TensorSpec(*spec) for suffix, spec in KvCache(2, 80, 24, 16).tensors.items()})


def test_buffer_config():
    program = ProgramSummary(KV, ProgramMemory(128, 64, {"logits": IoEntry(0, (10,), "float32")}), {}, 0)
    plan = SimpleNamespace(sharding=SimpleNamespace(vocabulary=((0, 10), (10, 19))))
    config = buffer_config(GOOD, plan, [{StepShape(1, 1): program, StepShape(1, 8): program}] * 2)
    assert (config.max_kv_cache_size, config.kv_capacity, config.seq_lens) == (64, 80, (1, 8))
    assert [die.vocabulary for die in config.dies] == [(0, 10), (10, 19)]
    assert config.dies[1].programs[8] == program.memories and config.dies[0].kv_bytes == KV.total


@pytest.mark.parametrize(
    ("quantization", "activations", "expected"),
    [
        (Quantization(None, 128, frozenset()), "float16", None),
        (Quantization("awq", 32, frozenset({"w"})), "int8", QuantizationEntry("awq", 4, 32)),
    ],
)
def test_manifest(meta_model, tiny, quantization, activations, expected):
    model, files = meta_model(), {"config.json": FileEntry(1, "00")}
    plan = SimpleNamespace(sharding=SimpleNamespace(vocabulary=((0, 320),)))
    settings, kernels = replace(GOOD, model_path=tiny), SimpleNamespace(spec=TARGET)
    found = manifest(PackageJob(settings, model, quantization, plan, None, None, kernels), files)
    assert (found.architecture, found.model_type) == ("Qwen2ForCausalLM", "qwen2")
    assert (found.vocab_size, found.hidden_size, found.layers, found.dies) == (320, 128, 2, 1)
    assert (found.activations, found.quantization) == (activations, expected)
    assert found.exports == Exports(**EXPORTS) and found.files == files
    assert found.source["checkpoint"] == tiny.name  # no path of the machine that compiled it
    assert (found.target.triple, found.target.features) == ("x86_64-linux-gnu", TARGET.flags)
    assert set(found.built_with) == {"python", "apache-tvm", "torch", "transformers"}
