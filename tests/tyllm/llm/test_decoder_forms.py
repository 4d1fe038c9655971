"""Forms of decoders that no tested family has, tiny and random, compared with transformers."""

import pytest
from tests.families.changes import CHANGES
from tests.families.trial import RIGHT, try_type

QUICK = {
    "cohere": "rotary pairs side by side, LayerNorm without bias",
    "bloom": "attention in its own code, with ALiBi",
}
FORMS = QUICK | {
    "granite_swa": "attention sinks, and no attention of torch's",
    "gpt_neo": "attention in its own code, with windows",
    "youtu": "latent attention: slices are assigned",
    "olmo": "LayerNorm without weight",
    "apertus": "stored buffers",
    "ministral3": "the logarithm of integers",
    "phi": "an output projection of another name",
}


@pytest.mark.parametrize("model_type", QUICK)
def test_it_computes_what_transformers_does(model_type):
    outcome = try_type(model_type, CHANGES.get(model_type, {}), (3,))
    assert outcome.result == RIGHT, outcome.reason


@pytest.mark.long
@pytest.mark.parametrize("model_type", FORMS)
def test_on_one_die_as_on_three(model_type):
    outcome = try_type(model_type, CHANGES.get(model_type, {}), (1, 3))
    assert outcome.result == RIGHT, outcome.reason
