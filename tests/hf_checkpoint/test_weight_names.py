"""Tensors answer to the names of Hugging Face's model."""

import pytest
from tests.families.random_model import random_model, save

from hf_checkpoint.checkpoint import Checkpoint
from hf_checkpoint.model_on_meta import build_on_meta
from hf_checkpoint.weight_names import model_name, stored_name, under_model_names
from tyllm_base.errors import UnsupportedError


def test_gpt_neox_has_its_head_under_an_old_name(checkpoint):
    opened = Checkpoint.open(checkpoint("gpt_neox"))
    renamed = under_model_names(opened, build_on_meta(opened))
    assert renamed.info("lm_head.weight") == opened.info("embed_out.weight")
    assert len(renamed.tensors) == len(opened.tensors)


def test_other_families_keep_their_names(checkpoint):
    opened = Checkpoint.open(checkpoint("qwen2"))
    assert under_model_names(opened, build_on_meta(opened)).tensors == opened.tensors


def test_weights_that_transformers_joins_or_cuts_are_refused(tmp_path):
    save(random_model("hrm_text", {}), tmp_path)  # queries, keys, values and their gate are stored as one
    opened = Checkpoint.open(tmp_path)
    with pytest.raises(
        UnsupportedError, match=r"gqkv_proj\.weight, from which transformers makes .* by joining or cutt"
    ):
        under_model_names(opened, build_on_meta(opened))


def test_vision_language_models_are_stored_under_the_hubs_names():
    config, pairs = (
        {"model_type": "qwen2_5_vl"},
        {
            "model.visual.merger.ln_q.weight": "visual.merger.ln_q.weight",
            "model.language_model.layers.0.mlp.up_proj": "model.layers.0.mlp.up_proj",
            "lm_head": "lm_head",
        },
    )
    for name, stored in pairs.items():
        assert stored_name(name, config) == stored
        assert model_name(stored, config) == model_name(name, config) == name


def test_models_of_text_are_stored_under_their_own():
    name = "model.language_model.layers.0.mlp.up_proj"
    assert stored_name(name, {"model_type": "gemma3"}) == model_name(name, {"model_type": "gemma3"}) == name


def test_mixtures_have_the_hubs_names_where_transformers_has_others():
    layer, cases = (
        "model.layers.1.",
        [
            ("mixtral", "mlp.experts.3.w1", "block_sparse_moe.experts.3.w1"),
            ("phimoe", "mlp.router.weight", "block_sparse_moe.gate.weight"),
            ("qwen3_moe", "mlp.gate.weight", "mlp.gate.weight"),
        ],
    )
    for model_type, own, stored in cases:
        config = {"model_type": model_type}
        assert stored_name(layer + own, config) == layer + stored
        assert model_name(layer + stored, config) == model_name(layer + own, config) == layer + own
