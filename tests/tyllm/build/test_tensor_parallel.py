"""Which die holds what: heads by group, the MLP by quantization group, the vocabulary by rows."""

import pytest
import torch
from tests.families.changes import CHANGES
from tests.families.tiny_config import tiny_config
from transformers import AutoModelForCausalLM

from tyllm.build.tensor_parallel import IN, OUT, shard_model
from tyllm_base.errors import SettingError

BIG = {"hidden_size": 896, "num_attention_heads": 28, "num_key_value_heads": 4} | {
    "intermediate_size": 640,
    "vocab_size": 1003,
}
WIDTH = 32
LAYER = "model.layers.1."


@pytest.fixture(scope="module")
def model(meta_model):
    return meta_model(**BIG)


def holder(split, name, index):
    """The dies that hold a row (or input) of a weight."""
    return [die for die, (start, stop) in enumerate(split.of(name).spans) if start <= index < stop]


@pytest.mark.parametrize(("dies", "die"), [(2, 0), (3, 0), (4, 0), (8, 1)])
def test_which_die_holds_head_5(model, dies, die):
    split = shard_model(model, dies, 128)
    for row in (5 * WIDTH, 6 * WIDTH - 1):
        assert holder(split, f"{LAYER}self_attn.q_proj.weight", row) == [die]
        assert holder(split, f"{LAYER}self_attn.q_proj.bias", row) == [die]
        assert holder(split, f"{LAYER}self_attn.o_proj.weight", row) == [die]  # of its inputs
    assert die in holder(split, f"{LAYER}self_attn.k_proj.weight", 0)  # head 5 reads key/value head 0


def test_key_value_heads_are_held_twice_by_twice_as_many_dies(model):
    split = shard_model(model, 8, 128)
    assert holder(split, f"{LAYER}self_attn.v_proj.weight", WIDTH) == [2, 3]


@pytest.mark.parametrize("dies", [2, 3, 4, 8])
@pytest.mark.parametrize("name", ["self_attn.q_proj", "self_attn.o_proj", "mlp.gate_proj", "mlp.down_proj"])
def test_every_row_is_held_once(model, name, dies):
    split = shard_model(model, dies, 128)
    cut = split.of(f"{LAYER}{name}.weight")
    size = dict(model.named_parameters())[f"{LAYER}{name}.weight"].shape[cut.axis]
    assert cut.axis == (IN if name in ("self_attn.o_proj", "mlp.down_proj") else OUT)
    assert [row for start, stop in cut.spans for row in range(start, stop)] == list(range(size))


def test_the_mlp_is_cut_between_groups(model):
    spans = shard_model(model, 3, 128).of(f"{LAYER}mlp.down_proj.weight").spans
    assert spans == ((0, 256), (256, 512), (512, 640))
    assert shard_model(model, 3, 128).of(f"{LAYER}mlp.up_proj.weight").spans == spans


def test_smaller_groups_where_there_are_too_few(model):
    spans = shard_model(model, 8, 128).of(f"{LAYER}mlp.down_proj.weight").spans
    assert spans[0] == (0, 128) and spans[-1] == (576, 640)


def test_the_vocabulary(model):
    split = shard_model(model, 2, 128)
    assert split.vocabulary == ((0, 512), (512, 1003))
    for name in ("model.embed_tokens.weight", "lm_head.weight"):  # tied
        assert split.of(name).axis == OUT and split.of(name).spans == split.vocabulary


def test_norms_are_whole(model):
    assert shard_model(model, 3, 128).of(f"{LAYER}input_layernorm.weight").axis is None


def test_a_bias_after_a_sum_is_whole(meta_model):
    model = meta_model(model_type="llama", attention_bias=True)
    split = shard_model(model, 2, 32)
    assert split.of(f"{LAYER}self_attn.o_proj.weight").axis == IN
    assert split.of(f"{LAYER}self_attn.o_proj.bias").axis is None


def test_one_die_holds_everything(model):
    split = shard_model(model, 1, 128)
    assert not split.cuts and split.vocabulary == ((0, 1003),)


def test_without_a_plan_only_the_vocabulary_is_cut(meta_model):
    model = meta_model(**BIG)
    model._tp_plan = {}
    split = shard_model(model, 4, 128)
    assert set(split.cuts) == {"model.embed_tokens.weight", "lm_head.weight"}
    assert split.sharded_along(IN) == set()


def test_untied_tables_are_both_cut(meta_model):
    split = shard_model(meta_model(tie_word_embeddings=False), 2, 32)
    assert {"model.embed_tokens.weight", "lm_head.weight"} <= split.sharded_along(OUT)


def test_too_many_dies(meta_model):
    with pytest.raises(SettingError, match=r"4 query heads in 2 .* 8 dies; use at most 4 dies\."):
        shard_model(meta_model(), 8, 32)


def test_an_output_projection_of_another_name(meta_model):
    split = shard_model(meta_model(model_type="phi"), 2, 32)
    query, output = (split.of(f"{LAYER}self_attn.{name}.weight") for name in ("q_proj", "dense"))
    assert (query.axis, output.axis) == (OUT, IN) and query.spans == output.spans


def test_attention_of_which_only_some_layers_are_heads_is_whole(meta_model):
    sizes = {"q_lora_rank": 32, "kv_lora_rank": 32, "qk_rope_head_dim": 16, "qk_nope_head_dim": 16, "v_head_dim": 32}
    split = shard_model(meta_model(model_type="minicpm3", **sizes), 2, 32)
    assert not [name for name in split.cuts if "self_attn" in name]
    assert split.of(f"{LAYER}mlp.down_proj.weight").axis == IN


def test_sinks_are_cut_as_the_query_heads(meta_model):
    split = shard_model(meta_model(model_type="granite_swa"), 2, 32)
    assert split.of(f"{LAYER}self_attn.sinks").spans == ((0, 2), (2, 4))


def test_heads_are_those_of_each_layer(meta_model):
    kinds = {"layer_types": ["sliding_attention", "full_attention"], "num_key_value_heads": 2, "head_dim": 32}
    wide = {"global_head_dim": 64, "num_global_key_value_heads": 2, "hidden_size_per_layer_input": 0}
    model = meta_model(model_type="gemma4_text", **kinds, **wide)
    split = shard_model(model, 2, 32)
    for layer in (0, 1):
        attention = f"model.layers.{layer}.self_attn"
        rows = model.get_submodule(f"{attention}.q_proj").out_features
        assert split.of(f"{attention}.q_proj.weight").spans == ((0, rows // 2), (rows // 2, rows))
        assert split.of(f"{attention}.o_proj.weight").spans == ((0, rows // 2), (rows // 2, rows))


def test_biases_of_experts_are_cut_with_their_rows_and_added_once(meta_model):
    from hf_checkpoint.experts import normalize_experts

    sizes = {"num_local_experts": 4, "num_experts_per_tok": 2, "intermediate_size": 96}
    model = meta_model(model_type="gpt_oss", **sizes)
    normalize_experts(model)
    split = shard_model(model, 3, 32)
    gate_up, down = (split.of(f"{LAYER}mlp.experts.{part}_proj_bias") for part in ("gate_up", "down"))
    assert (gate_up.axis, gate_up.spans, gate_up.size(0)) == (OUT, ((0, 32), (32, 64), (64, 96)), 8 * 32)
    assert (down.axis, down.is_term) == (None, True)


def test_each_expert_is_cut_as_an_mlp_is(meta_model):
    sizes = {"num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 96}
    split = shard_model(meta_model(model_type="qwen3_moe", **sizes), 3, 32)
    gate_up, down = (split.of(f"{LAYER}mlp.experts.{part}") for part in ("gate_up_proj", "down_proj"))
    assert gate_up.spans == down.spans == ((0, 32), (32, 64), (64, 96))
    assert (gate_up.axis, gate_up.block, gate_up.size(0)) == (OUT, 96, 8 * 32)  # gate and up of four experts
    assert (down.axis, down.size(0)) == (IN, 32)
    assert split.of(f"{LAYER}mlp.gate.weight").axis is None


def tiny_on_meta(model_type):
    with torch.device("meta"):
        return AutoModelForCausalLM.from_config(tiny_config(model_type, CHANGES[model_type])).eval()


def test_an_mlp_that_takes_statistics_over_its_channels_is_whole():
    split = shard_model(tiny_on_meta("gemma3n_text"), 2, 32)
    axes = [split.of(f"model.layers.{layer}.mlp.gate_proj.weight").axis for layer in (0, 1)]
    assert axes == [None, OUT]  # the first keeps the strongest channels alone


def test_a_bias_of_the_head_is_cut_under_both_of_its_names():
    split = shard_model(tiny_on_meta("bert"), 3, 32)
    names = "cls.predictions.bias", "cls.predictions.decoder.bias", "cls.predictions.decoder.weight"
    assert {split.of(name).spans for name in names} == {split.vocabulary}


def test_what_a_step_does_not_read_is_whole(model):
    name = f"{LAYER}mlp.down_proj.weight"
    assert shard_model(model, 2, 128, {name}).of(name).axis is None
