"""The model types that people use most, tiny and random: right, or refused with the reason.

`make test-families` tries all there are.
"""

import pytest
from tests.families import trial
from tests.families.changes import CHANGES
from tests.families.trial import REFUSED, RIGHT, try_type

RIGHT_TYPES = (
    "bloom", "cohere", "cohere2", "deepseek_v3", "gemma", "gemma3_text", "glm4", "gpt2", "gpt_neox", "granite",
    "mixtral", "olmoe", "opt", "phi", "qwen2_moe", "qwen3_moe", "smollm3", "stablelm",
)  # fmt: skip
"""Beside those that other tests have in the form of published models: `Family.is_tiny`."""
ON_TWO_DIES = ("gpt2", "mixtral")
"""A table of positions, and experts: what several dies cut otherwise than linear layers."""
REFUSED_TYPES = {"lfm2": "mixes tokens outside of attention", "mamba": "mixes tokens outside of attention"}


@pytest.fixture(autouse=True)
def _one_program(monkeypatch):
    """A program of 8 tokens alone, which text and chunks are padded to: `make test-families` has one of a token too."""
    monkeypatch.setattr(trial, "SEQ_LENS", [8])


@pytest.mark.parametrize("model_type", RIGHT_TYPES)
def test_right(model_type):
    dies = (2,) if model_type in ON_TWO_DIES else (1,)
    outcome = try_type(model_type, CHANGES.get(model_type, {}), dies)
    assert (outcome.result, outcome.reason) == (RIGHT, "")


@pytest.mark.parametrize("model_type", REFUSED_TYPES)
def test_refused(model_type):
    outcome = try_type(model_type, CHANGES.get(model_type, {}), (1,))
    assert outcome.result == REFUSED
    assert REFUSED_TYPES[model_type] in outcome.reason
