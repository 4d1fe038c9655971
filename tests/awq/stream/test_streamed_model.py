"""A streamed checkpoint predicts what transformers' model predicts, float or quantized, with a layer in memory."""

import json
import shutil

import pytest
import torch
from tests.awq import tiny_vision_models
from tests.awq.tiny_models import FAMILIES, VOCABULARY, token_lists
from transformers import AutoModelForCausalLM

from awq import AutoAWQForCausalLM
from awq.stream import streamed_model
from awq.stream.dequantize import load_dequantized
from awq.stream.streamed_model import StreamedModel
from tyllm_base.errors import CheckpointError

SAMPLES = torch.tensor(token_lists(5))  # five windows of 32 tokens


@pytest.fixture(scope="module")
def rounded(checkpoint, tmp_path_factory):
    output = tmp_path_factory.mktemp("streamed") / "int4"
    model = AutoAWQForCausalLM.from_pretrained(checkpoint("qwen2"))
    model.quantize(quant_config={"q_group_size": 32, "lm_head_enable": True}, method="rtn")
    model.save_quantized(output)
    return output


def ignore(tokens, what):
    pass


@torch.no_grad()
def expected(model):
    """Logits after every token but the last of each window."""
    return model(SAMPLES).logits[:, :-1].flatten(0, 1).float()


@pytest.mark.parametrize("family", FAMILIES)
def test_a_float_checkpoint_predicts_as_transformers(checkpoint, family):
    found = torch.cat(list(StreamedModel.open(checkpoint(family), "cpu").predictions(SAMPLES, ignore)))
    reference = AutoModelForCausalLM.from_pretrained(checkpoint(family), dtype=torch.float32)
    torch.testing.assert_close(found, expected(reference), rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("family", tiny_vision_models.FAMILIES)
def test_a_vision_language_model_predicts_text_as_transformers(tmp_path, family):
    folder = tiny_vision_models.write_vision_checkpoint(tmp_path, family)
    found = torch.cat(list(StreamedModel.open(folder, "cpu").predictions(SAMPLES, ignore)))
    torch.testing.assert_close(found, expected(load_dequantized(folder)), rtol=1e-3, atol=1e-3)


def test_a_quantized_checkpoint_predicts_as_its_dequantized_model(checkpoint, rounded):
    model = StreamedModel.open(rounded, "cpu")
    found = torch.cat(list(model.predictions(SAMPLES, ignore)))
    torch.testing.assert_close(found, expected(load_dequantized(rounded)), rtol=1e-3, atol=1e-3)
    original = expected(AutoModelForCausalLM.from_pretrained(checkpoint("qwen2"), dtype=torch.float32))
    assert (found - original).abs().max() > 0.01


@pytest.mark.parametrize("quantized", [False, True])
def test_small_passes_batches_and_blocks_change_nothing(checkpoint, rounded, quantized, monkeypatch):
    path = rounded if quantized else checkpoint("qwen2")
    whole = torch.cat(list(StreamedModel.open(path, "cpu").predictions(SAMPLES, ignore)))
    monkeypatch.setattr(streamed_model, "PASS_TOKENS", 64)
    monkeypatch.setattr(streamed_model, "BATCH_TOKENS", 1)
    monkeypatch.setattr(streamed_model, "BLOCK_VALUES", 10 * VOCABULARY)
    monkeypatch.setattr("awq.stream.head_rows.VALUES", 128 * 40)
    blocks = list(StreamedModel.open(path, "cpu").predictions(SAMPLES, ignore))
    assert max(len(block) for block in blocks) == 10
    torch.testing.assert_close(torch.cat(blocks), whole, rtol=1e-4, atol=1e-4)


def test_weights_are_gone_after_use(checkpoint):
    model = StreamedModel.open(checkpoint("llama"), "cpu")
    list(model.predictions(SAMPLES, ignore))
    assert all(p.is_meta for layer in model.model.layers for p in layer.parameters())
    assert model.model.module.lm_head.weight.is_meta


def test_progress_adds_up_to_the_tokens(checkpoint):
    steps = []
    list(StreamedModel.open(checkpoint("qwen2"), "cpu").predictions(SAMPLES, lambda *step: steps.append(step)))
    assert sum(tokens for tokens, _ in steps) == pytest.approx(SAMPLES.numel())
    assert [what for _, what in steps] == ["layer 1 of 2", "layer 2 of 2", "output projection"]


def test_what_the_model_is(checkpoint):
    model = StreamedModel.open(checkpoint("qwen2"))
    assert (model.vocabulary, model.context) == (VOCABULARY, 128)


def test_a_padding_token_outside_the_text_does_no_harm(checkpoint, tmp_path):
    copy = shutil.copytree(checkpoint("qwen2"), tmp_path / "copy")
    config = json.loads((copy / "config.json").read_text())
    (copy / "config.json").write_text(json.dumps(config | {"pad_token_id": VOCABULARY - 1}))
    few = torch.tensor([[1, 2, 3, 2]])
    plain = list(StreamedModel.open(checkpoint("qwen2"), "cpu").predictions(few, ignore))
    torch.testing.assert_close(list(StreamedModel.open(copy, "cpu").predictions(few, ignore)), plain)


def test_another_quantization_is_refused(rounded, tmp_path):
    copy = shutil.copytree(rounded, tmp_path / "copy")
    config = json.loads((copy / "config.json").read_text())
    config["quantization_config"]["quant_method"] = "gptq"
    (copy / "config.json").write_text(json.dumps(config))
    with pytest.raises(CheckpointError, match="quantized as gptq"):
        StreamedModel.open(copy)
