"""The sweep's outcomes become a table, and nothing that is wrong gets into it."""

import json

import pytest
from tests.families.document import TEXT_ALONE, markdown, table, written
from tests.families.trial import CRASH, REFUSED, RIGHT, UNTRIED, WRONG, Outcome

OUTCOMES = [
    Outcome("qwen2", RIGHT, architecture="Qwen2ForCausalLM"),
    Outcome("gpt2", RIGHT, architecture="GPT2LMHeadModel"),
    Outcome("lfm2", REFUSED, "Lfm2ForCausalLM mixes tokens.", architecture="Lfm2ForCausalLM"),
    Outcome("blt", UNTRIED, "context hardly matters"),
    Outcome("llava", RIGHT, architecture="LlavaForConditionalGeneration"),
    Outcome("odd", CRASH, "KeyError: None"),
]


def test_a_row_for_each_outcome():
    rows = {row.model_type: (row.state, row.reason) for row in table(OUTCOMES)}
    assert list(rows) == ["blt", "gpt2", "lfm2", "llava", "odd", "qwen2"]
    assert rows["llava"] == ("works", TEXT_ALONE)
    assert rows["gpt2"] == ("works", "")
    assert rows["lfm2"] == ("refused", "Lfm2ForCausalLM mixes tokens.")
    assert rows["blt"] == ("unknown", "context hardly matters")
    assert rows["odd"] == ("refused", "An internal error: KeyError: None")


def test_what_is_wrong_has_no_row():
    with pytest.raises(ValueError, match="gpt2 is wrong"):
        table([Outcome("gpt2", WRONG, "cosine 0.9")])


def test_the_json_and_the_document_have_all_types():
    rows = table(OUTCOMES)
    assert json.loads(written(rows))["gpt2"] == {"architecture": "GPT2LMHeadModel", "state": "works", "reason": ""}
    text = markdown(rows, "5.17")
    assert "## Right (3)\n\ngpt2, **qwen2**\n\n- llava: For text alone" in text
    assert "- lfm2: The model mixes tokens.\n" in text
    assert text.index("## Refused (2)") < text.index("- odd") < text.index("## Not tried") < text.index("- blt")
