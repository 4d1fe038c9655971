"""A whole run: what is written, in which order, and that a killed run ends in the same bytes."""

import os
import signal
import subprocess
import sys

import pytest
import torch
from tests.awq.tiny_models import kl, token_lists

from awq import AutoAWQForCausalLM
from awq.stream.dequantize import load_dequantized
from awq.stream.meta_model import MetaModel
from awq.work.work_folder import WorkFolder
from hf_checkpoint.checkpoint import Checkpoint
from tyllm_base.errors import CheckpointError, SettingError

CONFIG = {"zero_point": True, "q_group_size": 64, "w_bit": 4, "version": "GEMM", "lm_head_enable": True}

# Quantizes like `quantize` below, and dies by SIGKILL at the step named, as if the power went.
DIES = """
import os, signal, sys, torch
from awq import AutoAWQForCausalLM
from tests.awq.tiny_models import token_lists
from tests.awq.run.test_quantizer import quantize

def progress(done, total, what):
    if what.startswith(sys.argv[3]):
        os.kill(os.getpid(), signal.SIGKILL)

quantize(sys.argv[1], sys.argv[2], progress)
"""


def quantize(checkpoint, output, progress=None, **arguments):
    model = AutoAWQForCausalLM.from_pretrained(checkpoint)
    config = CONFIG | arguments.pop("config", {})
    calibration = arguments.pop("calib_data", token_lists(8))
    model.quantize(object(), config, calibration, quant_path=output, progress=progress, **arguments)
    model.save_quantized(output)
    return output


def weights(folder):
    return (folder / "model.safetensors").read_bytes()


@pytest.fixture(scope="module")
def whole(checkpoint, tmp_path_factory):
    return quantize(checkpoint("qwen2"), tmp_path_factory.mktemp("whole") / "out")


@pytest.mark.parametrize("step", ["layer 2", "embedding and head", "done"])
def test_a_killed_run_goes_on_to_the_same_bytes(checkpoint, tmp_path, whole, repo, step):
    code = [sys.executable, "-c", DIES, str(checkpoint("qwen2")), str(tmp_path / "out"), step]
    died = subprocess.run(
        code, env=os.environ | {"PYTHONPATH": f"{repo}{os.pathsep}{repo / 'src'}"}, capture_output=True
    )
    assert died.returncode == -signal.SIGKILL, died.stderr.decode()
    first = tmp_path / "out.partial" / "layer-00000.part"
    assert not (tmp_path / "out").exists()
    before = first.stat().st_mtime_ns, first.stat().st_ino
    kept = []
    quantize(
        checkpoint("qwen2"), tmp_path / "out", lambda *_: kept.append((first.stat().st_mtime_ns, first.stat().st_ino))
    )
    assert set(kept) == {before}  # the finished layer was not made again
    assert weights(tmp_path / "out") == weights(whole)
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


class Killed(BaseException):
    """Stands for a kill, which nobody catches."""


def short(checkpoint, output, progress=lambda *_: None, **arguments):
    """A quantized folder by few tokens."""
    return quantize(checkpoint, output, progress, calib_data=token_lists(4, 16), **arguments)


@pytest.fixture(scope="module")
def undisturbed(checkpoint, tmp_path_factory):
    return weights(short(checkpoint("qwen2"), tmp_path_factory.mktemp("undisturbed") / "out"))


@pytest.mark.parametrize("when", ["before", "after"])
def test_killed_at_any_file_a_run_goes_on_to_the_same_bytes(checkpoint, tmp_path, monkeypatch, undisturbed, when):
    write, written = WorkFolder.write_part, []

    def dying(work, part, tensors):
        if part in written:
            return write(work, part, tensors)
        written.append(part)
        if when == "after":
            write(work, part, tensors)
        raise Killed

    monkeypatch.setattr(WorkFolder, "write_part", dying)
    for number in range(9):
        try:
            short(checkpoint("qwen2"), tmp_path / "out")
            break
        except Killed:
            assert len(written) == number + 1
    assert weights(tmp_path / "out") == undisturbed
    assert {"layer-00000", "hidden-00001", "layer-00001", "hidden-00002", "rest"} <= set(written)


@pytest.mark.parametrize("step", ["layer 1 of 2, self_attn.o_proj", "layer 2 of 2, mlp.down_proj"])
def test_killed_within_a_layer_what_lies_about_does_no_harm(checkpoint, tmp_path, undisturbed, step):
    def progress(done, total, what):
        if what.startswith(step):
            raise Killed

    with pytest.raises(Killed):
        short(checkpoint("qwen2"), tmp_path / "out", progress)
    work = tmp_path / "out.partial"
    caches = list(work.glob("*.activations"))
    assert caches
    for file in [*caches, work / "hidden-00002.part", work / "layer-00001.part.tmp", work / "rest.part.tmp"]:
        file.write_bytes(b"torn" * 999)
    assert weights(short(checkpoint("qwen2"), tmp_path / "out")) == undisturbed
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


@pytest.mark.parametrize("method", ["tyllm", "awq", "rtn"])
def test_the_same_twice(checkpoint, tmp_path, method):
    first, again = (weights(short(checkpoint("gemma2"), tmp_path / name, method=method)) for name in ("a", "b"))
    assert first == again


def test_samples_at_a_time_change_no_more_than_noise_does(checkpoint, tmp_path):
    models = [
        load_dequantized(short(checkpoint("llama"), tmp_path / str(count), n_parallel_calib_samples=count))
        for count in (1, 3, 4)
    ]
    original = load_dequantized(checkpoint("llama"))
    errors = [kl(original, model, token_lists(8, seed=5)) for model in models]
    assert max(errors) < 1.1 * min(errors)


def test_one_layer_and_the_embeddings_that_are_used_are_in_memory(checkpoint, tmp_path, monkeypatch):
    build, built, seen = MetaModel.build, [], []

    def remember(*arguments):
        built.append(build(*arguments))
        return built[0]

    def progress(done, total, what):
        (model,) = built
        filled = [not parameter.is_meta for layer in model.layers for parameter in layer.parameters()]
        embedding = model.module.get_input_embeddings().weight
        seen.append((sum(filled) / len(filled), 0 if embedding.is_meta else len(embedding)))

    monkeypatch.setattr(MetaModel, "build", remember)
    quantize(checkpoint("qwen2"), tmp_path / "out", progress, calib_data=[[1, 2, 3, 4] * 8] * 4)
    assert {filled for filled, _ in seen} == {0.5, 0.0} and max(rows for _, rows in seen) == 4


def test_other_settings_do_not_resume(checkpoint, tmp_path, whole):
    def stop(done, total, what):
        if what == "layer 2 of 2":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        quantize(checkpoint("qwen2"), tmp_path / "out", stop, config={"q_group_size": 32})
    assert (tmp_path / "out.partial" / "layer-00000.part").exists()
    assert weights(quantize(checkpoint("qwen2"), tmp_path / "out")) == weights(whole)


def test_a_tied_head_gets_weights_of_its_own(checkpoint, whole):
    opened, original = Checkpoint.open(whole), Checkpoint.open(checkpoint("qwen2"))
    assert opened.config["tie_word_embeddings"] is False
    assert opened.info("lm_head.qweight").shape == (128, 96 // 8)
    assert torch.equal(opened.read_torch("model.embed_tokens.weight"), original.read_torch("model.embed_tokens.weight"))


def test_a_float_head_stays(checkpoint, tmp_path):
    opened = Checkpoint.open(quantize(checkpoint("llama"), tmp_path / "out", config={"lm_head_enable": False}))
    assert opened.info("lm_head.weight").dtype == "F16" and "lm_head.qweight" not in opened
    assert opened.config["tie_word_embeddings"] is False


def test_linears_can_be_left_float(checkpoint, tmp_path):
    skip = ["layers.0.", "o_proj"]
    output = quantize(checkpoint("qwen2"), tmp_path / "out", config={"modules_to_not_convert": skip})
    opened = Checkpoint.open(output)
    assert opened.info("model.layers.0.mlp.up_proj.weight").dtype == "F16"
    assert opened.info("model.layers.1.self_attn.o_proj.weight").dtype == "F16"
    assert "model.layers.1.mlp.up_proj.qweight" in opened
    assert opened.config["quantization_config"]["modules_to_not_convert"] == skip


def test_progress_is_told_in_thousandths_of_the_arithmetic(checkpoint, tmp_path):
    seen = []
    quantize(checkpoint("qwen2"), tmp_path / "out", lambda *step: seen.append(step))
    done, total, what = zip(*seen, strict=True)
    assert list(done) == sorted(done)
    assert (done[0], done[-1], set(total)) == (0, 1000, {1000})
    assert len(set(done)) > 2 * 7  # each linear layer of each decoder layer is a step
    for step in ("layer 1 of 2, scales", "layer 1 of 2, mlp.down_proj", "layer 2 of 2, self_attn.v_proj", "done"):
        assert step in what


def test_a_run_that_goes_on_begins_where_it_was(checkpoint, tmp_path):
    def stop(done, total, what):
        if what == "embedding and head":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        quantize(checkpoint("qwen2"), tmp_path / "out", stop)
    seen = []
    quantize(checkpoint("qwen2"), tmp_path / "out", lambda *step: seen.append(step))
    assert seen[0][0] > 500 and seen[0][2] == "embedding and head"


def test_a_group_size_that_does_not_divide_is_found_before_any_work(checkpoint, tmp_path):
    with pytest.raises(SettingError, match=r"128 does not divide the 192 inputs of model\.layers\.0\.mlp\.down_proj"):
        quantize(checkpoint("qwen2"), tmp_path / "out", config={"q_group_size": 128})
    assert list(tmp_path.iterdir()) == []


def test_weights_beyond_float16_are_refused(tmp_path):
    from tests.awq.tiny_models import random_model

    model = random_model("llama")
    model.model.layers[1].mlp.up_proj.weight.data[3, 5] = 1e5
    model.bfloat16().save_pretrained(tmp_path / "in")
    with pytest.raises(CheckpointError, match=r"layers\.1\.mlp\.up_proj\.weight holds 99840, above float16's largest"):
        quantize(tmp_path / "in", tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["in"]


def test_experts_in_one_tensor_are_quantized_one_by_one(tmp_path):
    from tests.awq.tiny_models import SHAPE
    from transformers import AutoModelForCausalLM, Qwen3MoeConfig

    config = Qwen3MoeConfig(**SHAPE, head_dim=32, num_experts=16, moe_intermediate_size=64, num_experts_per_tok=2)
    AutoModelForCausalLM.from_config(config).half().save_pretrained(tmp_path / "in", save_original_format=False)
    names = set(Checkpoint.open(quantize(tmp_path / "in", tmp_path / "out", method="rtn")))
    assert {f"model.layers.0.mlp.experts.{number}.up_proj.qweight" for number in range(16)} < names
