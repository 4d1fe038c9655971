"""INT4 where groups allow it, float16 where they do not, float32 for the rest."""

import pytest

from tyllm.build.tensor_parallel import IN, OUT, WeightSharding, shard_model
from tyllm.build.weight_formats import Quantization, formats, linear_format, local_shape
from tytvm.weights import W4, W16, Plain

NAME = "down_proj.weight"


def quantized(group_size):
    return Quantization("awq", group_size, frozenset({NAME}))


@pytest.mark.parametrize(
    ("spans", "group_size", "expected"),
    [
        ([(0, 256), (256, 640)], 128, W4(8, 256, 128)),  # cut between groups
        ([(0, 192), (192, 640)], 128, W4(8, 192, 64)),  # through the middle of one
        ([(0, 224), (224, 640)], 128, W4(8, 224, 32)),
        ([(0, 208), (208, 640)], 128, W16(8, 208)),  # groups of 16 are too small for a kernel
        ([(0, 320), (320, 640)], -1, W4(8, 320, 320)),
    ],
)
def test_groups_are_refined_at_the_edges_of_the_dies(spans, group_size, expected):
    cut = WeightSharding(IN, tuple(spans))
    assert linear_format(NAME, (8, 640), local_shape((8, 640), cut, 0), cut, quantized(group_size)) == expected


def test_a_small_group_falls_back():
    assert linear_format(NAME, (8, 64), (8, 64), WeightSharding(None, ()), quantized(16)) == W16(8, 64)


def test_outputs_cut_anywhere_keep_their_groups():
    cut = WeightSharding(OUT, ((0, 5), (5, 8)))
    assert linear_format(NAME, (8, 64), (5, 64), cut, quantized(64)) == W4(5, 64, 64)


def test_what_is_not_quantized_is_float16():
    assert linear_format("lm_head.weight", (8, 64), (8, 64), WeightSharding(None, ()), quantized(32)) == W16(8, 64)


def test_local_shape():
    cut = WeightSharding(IN, ((0, 3), (3, 8)))
    assert [local_shape((4, 8), cut, die) for die in (0, 1)] == [(4, 3), (4, 5)]
    assert local_shape((4, 8), WeightSharding(None, ()), 1) == (4, 8)


def test_a_model(meta_model):
    model = meta_model(tie_word_embeddings=False)
    name = "model.layers.0.mlp.down_proj.weight"
    found = formats(model, shard_model(model, 2, 32), 0, Quantization("awq", 32, frozenset({name})))
    assert list(found) == [name for name, _ in model.named_parameters(remove_duplicate=False)]
    assert found[name] == W4(128, 96, 32)
    assert found["model.layers.0.mlp.up_proj.weight"] == W16(96, 128)
    assert found["model.layers.0.self_attn.q_proj.bias"] == Plain((64,))
    assert found["model.norm.weight"] == Plain((128,))
    assert found["model.embed_tokens.weight"] == Plain((160, 128), "float16")
    assert found["lm_head.weight"] == W16(160, 128)


def test_a_tied_table_is_stored_as_the_head(meta_model):
    model = meta_model()
    found = formats(model, shard_model(model, 1, 32), 0, Quantization(None, 32, frozenset()))
    assert found["model.embed_tokens.weight"] == found["lm_head.weight"] == W16(320, 128)


@pytest.mark.parametrize("experts", [4, 1])
def test_experts_are_stored_as_one_linear_weight_and_a_router_as_another(meta_model, experts):
    sizes = {"num_experts": experts, "num_experts_per_tok": 1, "moe_intermediate_size": 96}
    model = meta_model(model_type="qwen3_moe", **sizes)
    names = [f"model.layers.0.mlp.{part}" for part in ("experts.gate_up_proj", "experts.down_proj", "gate.weight")]
    found = formats(model, shard_model(model, 3, 32), 0, Quantization("awq", 32, frozenset(names[:1])))
    assert found[names[0]] == W4(experts * 2 * 32, 128, 32)
    assert found[names[1]] == W16(experts * 128, 32)
    assert found[names[2]] == W16(experts, 128)


def test_a_weight_with_an_input_to_each_row_is_no_linear_layers(meta_model):
    model = meta_model(model_type="gpt2", bos_token_id=None, eos_token_id=None)
    found = formats(model, shard_model(model, 1, 32), 0, Quantization(None, 32, frozenset()))
    assert found["transformer.h.0.attn.c_attn.weight"] == Plain((128, 384), "float32")
