"""Models and numbers that break quantizers, each from a checkpoint to logits: finite, and no worse than rounding."""

import pytest
import torch
from safetensors import safe_open
from tests.awq.tiny_models import FAMILIES, VOCABULARY, kl, random_model, token_lists

from awq import AutoAWQForCausalLM
from awq.stream.dequantize import load_dequantized


def save(model, folder, dtype=torch.float16, **options):
    """The folder of a checkpoint of `model`; rotary frequencies stay float32."""
    for parameter in model.parameters():
        parameter.data = parameter.data.to(dtype)
    model.save_pretrained(folder, **options)
    return folder


def quantized(checkpoint, folder, calibration, method="tyllm", form=None, **config):
    """The quantized folder of a checkpoint."""
    model = AutoAWQForCausalLM.from_pretrained(checkpoint)
    settings = {"q_group_size": 64, "lm_head_enable": True} | config
    model.quantize(object(), settings, calibration, method=method, format=form, quant_path=folder)
    model.save_quantized(folder)
    return folder


def divergences(checkpoint, folder, calibration=None, **config):
    """How far the model is from its original by "tyllm" and by "rtn", every value of both found finite."""
    original, found = load_dequantized(checkpoint), []
    for method in ("tyllm", "rtn"):
        path = quantized(checkpoint, folder / method, calibration or token_lists(8), method, **config)
        model = load_dequantized(path)
        assert all(torch.isfinite(parameter).all() for parameter in model.parameters())
        with safe_open(path / "model.safetensors", "pt") as file:
            assert all(torch.isfinite(file.get_tensor(name).float()).all() for name in file.keys())  # noqa: SIM118
        assert torch.isfinite(model(torch.tensor(token_lists(2, seed=7))).logits).all()
        found.append(kl(original, model, token_lists(8, seed=5)))
    return found


@pytest.mark.parametrize("family", FAMILIES)
def test_every_family(checkpoint, tmp_path, family):
    ours, nearest = divergences(checkpoint(family), tmp_path)
    assert ours < 0.8 * nearest


@torch.no_grad()
def zero_groups(model):
    for layer in model.model.layers:
        layer.mlp.up_proj.weight[:, :64] = 0
        layer.self_attn.q_proj.weight[::2, 64:] = 0
        layer.mlp.down_proj.weight[5] = 0


@torch.no_grad()
def dead_channels(model):
    """Inputs that are always 0, behind the embedding and a norm and within the MLP, and outputs that are."""
    model.model.embed_tokens.weight[:, 7] = 0
    for layer in model.model.layers:
        layer.self_attn.o_proj.weight[7] = layer.mlp.down_proj.weight[7] = 0
        layer.input_layernorm.weight[11] = 0
        layer.mlp.gate_proj.weight[:40] = 0
        layer.self_attn.v_proj.weight[:32] = 0


@torch.no_grad()
def dead_layer(model):
    """All that o_proj reads and all that down_proj reads is 0 in one layer."""
    for parameter in model.model.layers[0].self_attn.v_proj.parameters():
        parameter.zero_()
    model.model.layers[0].mlp.up_proj.weight.zero_()


@torch.no_grad()
def underflow(model):
    """Weights that are 0 in float16, and a norm that makes up for small ones."""
    model.model.layers[0].mlp.up_proj.weight[::3] = 1e-9
    model.model.layers[1].self_attn.k_proj.weight *= 1e-6
    model.model.layers[1].post_attention_layernorm.weight *= 1e-3
    model.model.layers[1].mlp.gate_proj.weight *= 1e-3


@torch.no_grad()
def massive_token(model):
    """A token whose hidden state is ten thousand times the others', and channels that are loud in all."""
    model.model.embed_tokens.weight[3] *= 1e4
    model.model.embed_tokens.weight[:, 9] *= 100
    for layer in model.model.layers:
        layer.input_layernorm.weight[20] *= 50


@torch.no_grad()
def equal_tokens(model):
    """Every token is the same, so what is read has rank 1."""
    model.model.embed_tokens.weight[:] = model.model.embed_tokens.weight[:1].clone()


@torch.no_grad()
def silent_tokens(model):
    """Embeddings of zeros, as padding has."""
    model.model.embed_tokens.weight[::2] = 0


NUMBERS = (zero_groups, dead_channels, dead_layer, underflow, massive_token, equal_tokens, silent_tokens)


@pytest.mark.parametrize("family", ["qwen2", "llama"])
@pytest.mark.parametrize("change", NUMBERS)
def test_numbers(tmp_path, change, family):
    model = random_model(family, tie_word_embeddings=False)
    change(model)
    ours, nearest = divergences(save(model, tmp_path / "in", torch.bfloat16), tmp_path)
    assert ours < nearest


@pytest.mark.parametrize(
    ("samples", "tokens", "factor"),
    [(1, 1, 5.0), (3, 1, 2.0), (1, 4, 2.0), (1, 32, 1.0)],  # so few tell the scales what is not so
)
def test_few_tokens(checkpoint, tmp_path, samples, tokens, factor):
    ours, nearest = divergences(checkpoint("qwen2"), tmp_path, token_lists(samples, tokens))
    assert ours < factor * nearest


@pytest.mark.parametrize(
    "config",
    [
        {"q_group_size": -1},
        {"q_group_size": 32, "zero_point": False},
        {"q_group_size": -1, "zero_point": False, "form": "compressed-tensors"},
        {"w_bit": 8, "form": "compressed-tensors"},
        {"w_bit": 8, "zero_point": False, "form": "compressed-tensors", "q_group_size": -1},
        {"form": "compressed-tensors", "lm_head_enable": False},
        {"modules_to_not_convert": ["layers.0.self_attn.q_proj", "up_proj"]},
        {"overrides": {"model.layers.0.mlp.down_proj": None, "lm_head": None}},
        {"overrides": {"model.layers.1.mlp.up_proj": 8, "lm_head": 8}, "form": "compressed-tensors"},
    ],
    ids=lambda config: "-".join(map(str, config)),
)
@pytest.mark.parametrize("family", ["qwen2", "llama"])
def test_settings(checkpoint, tmp_path, family, config):
    ours, nearest = divergences(checkpoint(family), tmp_path, **config)
    assert ours < nearest


@pytest.mark.parametrize("family", ["llama", "gemma2"])
def test_odd_sizes(tmp_path, family):
    odd = {"hidden_size": 92, "intermediate_size": 205, "head_dim": 22, "num_key_value_heads": 2, "vocab_size": 101}
    folder = save(random_model(family, **odd), tmp_path / "in")
    ours, nearest = divergences(folder, tmp_path, q_group_size=-1, form="compressed-tensors")
    assert ours < nearest


def test_sharded_checkpoints_give_the_same_as_whole_ones(checkpoint, tmp_path):
    model = random_model("qwen3")
    save(model, tmp_path / "in", max_shard_size="100KB")
    assert len(list((tmp_path / "in").glob("*.safetensors"))) > 3
    found = quantized(tmp_path / "in", tmp_path / "sharded", token_lists(8))
    whole = quantized(checkpoint("qwen3"), tmp_path / "whole", token_lists(8))
    assert (found / "model.safetensors").read_bytes() == (whole / "model.safetensors").read_bytes()


def test_tokens_at_the_end_of_the_vocabulary_are_calibrated_with_too(checkpoint, tmp_path):
    ours, nearest = divergences(checkpoint("mistral"), tmp_path, [[VOCABULARY - 1, 0] * 16] * 4)
    assert ours < 1.5 * nearest
