"""Calibration's conversations become the text that transformers makes, and a hostile template is refused."""

import gc
from pathlib import Path

import pytest
from tests.awq.tiny_vision_models import tokenizer
from tests.hostile_templates import HOSTILE_TEMPLATES

from awq.calibration import chat_text as module
from awq.calibration.chat_text import chat_text
from tyllm_base.errors import CalibrationError

TALK = [{"role": "user", "content": "Grüße"}, {"role": "assistant", "content": "Hi"}]
ONE = "{{ eos_token }}{% for m in messages %}<{{ m.role }}>{{ m.content }}{% endfor %}{{ tools }}{{ documents }}"


def with_template(template):
    found = tokenizer()
    found.chat_template = template
    return found


@pytest.mark.parametrize("template", [ONE, {"default": ONE, "rag": "x"}])
def test_text_is_that_of_transformers(template):
    found = with_template(template)
    assert chat_text(TALK, found) == found.apply_chat_template(TALK, tokenize=False)


def test_a_tokenizer_that_renders_in_its_own_way():
    class Own:
        chat_template = "{{ 1 / 0 }}"

        def apply_chat_template(self, messages, tokenize):
            if not messages:
                raise KeyError("nothing")
            return f"{len(messages)} {tokenize}"

    assert chat_text(TALK, Own()) == "2 False"
    with pytest.raises(CalibrationError, match=r"refuses a conversation of the calibration data \('nothing'\)"):
        chat_text([], Own())


@pytest.mark.parametrize(
    ("template", "reason"),
    [
        ("{% launch %}", "The tokenizer's chat template is not Jinja"),
        (3, "is neither text nor texts by name"),
        ({}, "is neither text"),
        ("{{ 1 / 0 }}", "refuses these messages: ZeroDivisionError"),
        (HOSTILE_TEMPLATES["loops"], "took (more|longer) than"),
    ],
)
def test_a_template_that_is_none(template, reason):
    with pytest.raises(CalibrationError, match=reason):
        chat_text(TALK, with_template(template))


def test_the_process_is_kept_while_tokenizer_and_template_are():
    found = with_template("{{ messages|length }}")
    assert chat_text(TALK, found) == "2"
    first = module._renderers[found][1]
    pid = first._process._process._popen.pid
    assert chat_text(TALK[:1], found) == "1"
    assert module._renderers[found][1] is first
    found.chat_template = "other"
    assert chat_text(TALK, found) == "other"
    del found, first
    gc.collect()
    assert not Path(f"/proc/{pid}").exists()
