"""Tensors answer to the names of Hugging Face's model."""

from awq.checkpoint import Checkpoint
from awq.names import under_model_names
from awq.skeleton import build_on_meta


def test_gpt_neox_has_its_head_under_an_old_name(checkpoint):
    opened = Checkpoint.open(checkpoint("gpt_neox"))
    renamed = under_model_names(opened, build_on_meta(opened))
    assert renamed.info("lm_head.weight") == opened.info("embed_out.weight")
    assert len(renamed.tensors) == len(opened.tensors)


def test_other_families_keep_their_names(checkpoint):
    opened = Checkpoint.open(checkpoint("qwen2"))
    assert under_model_names(opened, build_on_meta(opened)).tensors == opened.tensors
