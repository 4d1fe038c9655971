"""The reference model: float checkpoints as transformers loads them, quantized ones dequantized, heads too."""

import json

import pytest
import torch
from safetensors.torch import load_file
from tests.awq.tiny_models import FAMILIES, random_model, token_lists
from transformers import AutoModelForCausalLM

from awq import AutoAWQForCausalLM
from awq.method.rounding import Scheme, round_to_nearest
from awq.stream.dequantize import load_dequantized
from hf_checkpoint.awq_gemm import PackedLinear, unpack_linear
from hf_checkpoint.checkpoint import Checkpoint
from tyllm_base.errors import CheckpointError


@pytest.fixture(scope="module")
def quantize(checkpoint, tmp_path_factory):
    """`quantize(**settings)` is the folder of a rounded tied Qwen2."""

    def run(**settings):
        output = tmp_path_factory.mktemp("rounded") / "out"
        model = AutoAWQForCausalLM.from_pretrained(checkpoint("qwen2"))
        model.quantize(quant_config={"q_group_size": 32, "lm_head_enable": True} | settings, method="rtn")
        model.save_quantized(output)
        return output

    return run


@pytest.fixture(scope="module")
def rounded(quantize):
    return quantize()


@pytest.mark.parametrize("family", FAMILIES)
@torch.no_grad()
def test_a_float_checkpoint_is_as_transformers_loads_it(checkpoint, family):
    ids = torch.tensor(token_lists(2))
    expected = AutoModelForCausalLM.from_pretrained(checkpoint(family), dtype=torch.float32)(ids).logits
    torch.testing.assert_close(load_dequantized(checkpoint(family))(ids).logits, expected, rtol=1e-3, atol=1e-3)


def test_the_head_is_the_quantized_one(rounded):
    opened, model = Checkpoint.open(rounded), load_dequantized(rounded)
    packed = PackedLinear(*(opened.read_numpy(f"lm_head.{field}") for field in PackedLinear._fields))
    assert torch.equal(model.lm_head.weight, torch.from_numpy(unpack_linear(packed).dequantize()))
    assert not torch.equal(model.lm_head.weight, model.model.embed_tokens.weight)
    assert (model.lm_head.weight - model.model.embed_tokens.weight).abs().max() < 0.02


def test_another_type(rounded):
    assert load_dequantized(rounded, torch.bfloat16).lm_head.weight.dtype == torch.bfloat16


def test_other_quantizations_are_refused(rounded, tmp_path):
    config = json.loads((rounded / "config.json").read_text())
    config["quantization_config"] |= {"quant_method": "gptq"}
    (tmp_path / "config.json").write_text(json.dumps(config))
    (tmp_path / "model.safetensors").symlink_to(rounded / "model.safetensors")
    with pytest.raises(CheckpointError, match="quantized as gptq with 4 bits"):
        load_dequantized(tmp_path)


@pytest.mark.parametrize("bits", [4, 8])
@pytest.mark.parametrize("zero_point", [True, False])
@pytest.mark.parametrize("group_size", [64, -1])
def test_compressed_tensors(quantize, checkpoint, bits, zero_point, group_size):
    folder = quantize(format="compressed-tensors", w_bit=bits, zero_point=zero_point, q_group_size=group_size)
    weights = load_file(checkpoint("qwen2") / "model.safetensors")
    found = load_dequantized(folder).state_dict()
    for name in ("model.layers.1.mlp.down_proj.weight", "model.layers.0.self_attn.k_proj.weight", "lm_head.weight"):
        original = weights[name.replace("lm_head", "model.embed_tokens")].float()
        scheme = Scheme(bits, original.shape[1] if group_size == -1 else group_size, not zero_point)
        assert torch.equal(found[name], round_to_nearest(original, scheme))
    assert torch.equal(found["model.layers.0.self_attn.k_proj.bias"], weights["model.layers.0.self_attn.k_proj.bias"])


def test_both_formats_hold_the_same_weights(quantize, rounded):
    ours, theirs = (load_dequantized(path).state_dict() for path in (rounded, quantize(format="compressed-tensors")))
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)


def test_symmetric_weights_in_awq_format(quantize):
    ours, theirs = (
        load_dequantized(quantize(format=file_format, zero_point=False)).state_dict()
        for file_format in ("awq", "compressed-tensors")
    )
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)


def test_a_mixed_checkpoint(quantize, checkpoint):
    up, down = "model.layers.0.mlp.up_proj", "model.layers.1.mlp.down_proj"
    folder = quantize(format="compressed-tensors", overrides={up: 8, down: None})
    weights = load_file(checkpoint("qwen2") / "model.safetensors")
    found = load_dequantized(folder).state_dict()
    assert torch.equal(found[f"{up}.weight"], round_to_nearest(weights[f"{up}.weight"].float(), Scheme(8, 32)))
    assert torch.equal(found[f"{down}.weight"], weights[f"{down}.weight"].float())


def test_a_quantized_head_counts_even_where_config_json_says_tied(rounded, tmp_path):
    config = json.loads((rounded / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps(config | {"tie_word_embeddings": True}))
    (tmp_path / "model.safetensors").symlink_to(rounded / "model.safetensors")
    found = load_dequantized(tmp_path)
    assert torch.equal(found.lm_head.weight, load_dequantized(rounded).lm_head.weight)
    assert not torch.equal(found.lm_head.weight, found.model.embed_tokens.weight)


def test_the_generation_config_comes_along(rounded, tmp_path):
    for file in ("config.json", "model.safetensors"):
        (tmp_path / file).symlink_to(rounded / file)
    (tmp_path / "generation_config.json").write_text('{"temperature": 0.25, "do_sample": true}')
    assert load_dequantized(tmp_path).generation_config.temperature == 0.25


def test_odd_numbers(tmp_path):
    """Dead rows and columns, weights that underflow float16, biases, a vocabulary of 97, bfloat16 in, shards out."""
    model = random_model("qwen2", vocab_size=97).to(torch.bfloat16)
    up, v = model.model.layers[0].mlp.up_proj.weight.data, model.model.layers[1].self_attn.v_proj
    up[3], up[:, 64:96], up[5, :32] = 0, 0, 1e-7 * torch.randn(32)
    v.bias.data[::2] = 0
    model.save_pretrained(tmp_path / "float")
    quantizer = AutoAWQForCausalLM.from_pretrained(tmp_path / "float")
    settings = {"q_group_size": 32, "lm_head_enable": True, "format": "compressed-tensors"}
    quantizer.quantize(quant_config=settings, method="rtn")
    quantizer.save_quantized(tmp_path / "int4", shard_size="20KB")
    assert len(list((tmp_path / "int4").glob("model-*-of-*.safetensors"))) > 5
    found = load_dequantized(tmp_path / "int4")
    scheme = Scheme(4, 32)
    assert torch.equal(found.model.layers[0].mlp.up_proj.weight, round_to_nearest(up.float(), scheme))
    assert torch.equal(found.lm_head.weight, round_to_nearest(model.model.embed_tokens.weight.data.float(), scheme))
    assert found.lm_head.weight.shape == (97, 128) and torch.isfinite(found.lm_head.weight).all()
    assert torch.equal(found.model.layers[1].self_attn.v_proj.bias, v.bias.data.half().float())
    assert (found.model.layers[0].mlp.up_proj.weight[5, :32] - up[5, :32]).abs().max() < 2**-24
    next(iter((tmp_path / "int4").glob("model-00002-of-*"))).unlink()
    with pytest.raises(CheckpointError, match="lacks the shard model-0000"):
        load_dequantized(tmp_path / "int4")
