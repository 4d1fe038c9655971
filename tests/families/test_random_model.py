"""The sweep's models: tiny, exact in float16, and such that context matters."""

import pytest
import torch
from tests.families.changes import CHANGES
from tests.families.random_model import MATTERS, NoTinyModelError, context, random_model, randomize
from tests.families.tiny_config import every_kind, small_rope


def test_every_kind_of_layer_stays():
    assert every_kind(["a", "a", "b", "a"], 3) == ["a", "b", "a"]


def test_rotary_sections_fill_a_small_head():
    assert sum(small_rope({"mrope_section": [16, 24, 24]})["mrope_section"]) == 16


@pytest.mark.parametrize("model_type", ["llama", "lfm2"])
def test_context_matters_and_float16_holds_every_weight(model_type):
    model = random_model(model_type, CHANGES.get(model_type, {}))
    assert context(model) > MATTERS
    assert all(torch.equal(weight, weight.half().float()) for weight in model.parameters())


def test_a_model_without_context_is_not_tried():
    model = random_model("llama", {})
    for name, weight in model.named_parameters():
        if "o_proj" in name:
            weight.data.zero_()
    with pytest.raises(NoTinyModelError, match="context"):
        context(model)


def test_norms_stay_near_one():
    layer = torch.nn.LayerNorm(1000)
    randomize(layer)
    assert abs(layer.weight.mean() - 1) < 0.02
    assert 0.05 < layer.weight.std() < 0.2
