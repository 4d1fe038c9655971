"""A head that is the embedding: found, named, and untied."""

import pytest
from tests.awq.tiny_models import random_model
from torch import nn

from hf_checkpoint.tied_weights import first_names, head_name, is_head_tied, stored_names_of_tied, untie_head

TABLE, HEAD = "model.embed_tokens.weight", "lm_head.weight"


@pytest.fixture
def tied():
    return random_model("qwen2")


@pytest.fixture
def untied():
    return random_model("llama")


def test_tied_or_not(tied, untied):
    assert is_head_tied(tied) and not is_head_tied(untied)
    assert head_name(tied) == head_name(untied) == "lm_head"


def test_a_head_that_is_no_linear_layer_has_no_name(untied):
    untied.lm_head = nn.Identity()
    assert head_name(untied) is None


def test_untied(tied, untied):
    shape = tied.lm_head.weight.shape
    untie_head(tied)
    assert not is_head_tied(tied) and tied.lm_head.weight.shape == shape
    assert tied.config.tie_word_embeddings is False
    own = untied.lm_head.weight
    untie_head(untied)
    assert untied.lm_head.weight is own


def test_every_name_has_the_first_of_its_tensor(tied, untied):
    assert first_names(tied)[HEAD] == TABLE
    assert first_names(untied)[HEAD] == HEAD


def test_what_stands_for_a_tied_weight_that_is_not_stored(tied, untied):
    assert stored_names_of_tied(tied, {TABLE}) == {HEAD: TABLE}
    assert stored_names_of_tied(tied, {HEAD}) == {TABLE: HEAD}
    assert stored_names_of_tied(tied, {HEAD, TABLE}) == stored_names_of_tied(untied, {TABLE}) == {}
