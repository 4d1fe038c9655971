"""Texts have the form that was asked for, whatever the logits say, and what cannot be compiled is told."""

import json
import re
import sys

import numpy as np
import pytest
from fake_package import VOCAB

from tyllm.runtime import Session
from tyllm.runtime.generation.sampling_params import SamplingParams
from tyllm.runtime.generation.sequence import SequenceState
from tyllm.runtime.generation.structured_outputs import StructuredOutputsParams
from tyllm.runtime.generation.token_grammar import TokenGrammar
from tyllm.runtime.prompt.prompt import Prompt
from tyllm.runtime.prompt.tokenizer import Tokenizer
from tyllm_base.errors import GenerationError, MissingExtraError

EOS = 258
SCHEMA = {
    "type": "object",
    "properties": {"name": {"type": "string", "maxLength": 8}, "age": {"type": "integer", "minimum": 0, "maximum": 99}},
    "required": ["name", "age"],
    "additionalProperties": False,
}
FORMS = {
    "regex": ({"regex": "[0-9]{3}-(x|yz)+q"}, lambda text: re.fullmatch("[0-9]{3}-(x|yz)+q", text)),
    "choice": ({"choice": ["yes", 'no "never"', "größer"]}, lambda text: text in ("yes", 'no "never"', "größer")),
    "json": ({"json": SCHEMA}, lambda text: 0 <= json.loads(text)["age"] <= 99 and len(json.loads(text)) == 2),
    "grammar": ({"grammar": 'start: "a" start "b" | "c"'}, lambda text: re.fullmatch("a*cb*", text)),
}


@pytest.fixture(scope="module")
def tokenizer(toy):
    return Tokenizer(toy())


def written(tokenizer, form, seed, **options):
    """A text by random logits, and the state of its sequence."""
    params = SamplingParams(
        structured_outputs=StructuredOutputsParams(**form), temperature=1.0, seed=seed, **options
    ).with_defaults({})
    state, rng = SequenceState(Prompt([1]), params, tokenizer, [EOS]), np.random.default_rng(seed)
    state.lease = type("Lease", (), {"slot": type("Slot", (), {"limit": 10_000})})
    while not state.finished:
        logits = rng.normal(0, 3, VOCAB + 5).astype(np.float32)  # more than the tokenizer has
        logits[[ord("c"), ord("q"), ord('"') - 33, EOS]] += 5
        state.accept(logits)
    return state.result


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("seed", range(5))
def test_texts_have_the_form(tokenizer, form, seed):
    params, is_right = FORMS[form]
    result = written(tokenizer, params, seed, max_new_tokens=2000)
    if result.finish_reason == "length":
        assert form == "grammar" and re.fullmatch("a*c?b*", result.text)
    else:
        assert is_right(result.text), result.text
        assert result.token_ids[-1] == EOS and result.finish_reason == "stop"


def test_any_json_object(tokenizer):
    grammar = TokenGrammar(StructuredOutputsParams(json_object=True), tokenizer, [EOS])
    allowed = np.flatnonzero(np.isfinite(grammar([], np.zeros(VOCAB, np.float32))))
    assert tokenizer.decode([int(allowed[-1])]) == "{" and EOS not in allowed


@pytest.mark.parametrize("texts", [[*map(str, range(3000))], ["a", "ab"], ["\x0b\x7f", "a.b", "/\n", "\\", "- #"]])
def test_many_and_strange_choices(tokenizer, texts):
    found = {written(tokenizer, {"choice": texts}, seed).text for seed in range(40)}
    assert found <= set(texts) and len(found) > 1


@pytest.mark.parametrize(
    "form",
    [{"choice": ["a<|im_end|>b"]}, {"regex": r"<\|im_(end|start)\|>"}, {"json": {"const": "a<|im_end|>b"}},
     {"grammar": 'start: "<|endoftext|>" "x"'}],
)  # fmt: skip
def test_the_text_of_a_special_token_is_spelled(tokenizer, form):
    grammar = TokenGrammar(StructuredOutputsParams(**form), tokenizer, [EOS])
    generated: list[int] = []
    while not grammar._matcher.is_accepting():
        generated.append(int(grammar(generated, np.zeros(VOCAB, np.float32)).argmax()))
        grammar(generated, np.zeros(VOCAB, np.float32))
    assert tokenizer.decode(generated).strip('"') in ("a<|im_end|>b", "<|im_end|>", "<|im_start|>", "<|endoftext|>x")


def test_a_grammar_may_name_a_special_token(tokenizer):
    grammar = TokenGrammar(StructuredOutputsParams(grammar='start: <|im_start|> "b"'), tokenizer, [EOS])
    assert grammar([], np.zeros(VOCAB, np.float32)).argmax() == 257


def test_a_session_writes_what_is_asked_for(toy):
    with Session(toy()) as session:
        form = StructuredOutputsParams(regex="[a-c]{5}")
        result = session.generate("x", sampling_params=SamplingParams(structured_outputs=form))
        assert re.fullmatch("[a-c]{5}", result.text) and result.finish_reason == "stop"


@pytest.mark.parametrize(
    ("form", "said"),
    [
        ({"regex": "(["}, "cannot be compiled"),
        ({"json": {"type": "integer", "minimum": 5, "maximum": 1}}, "cannot be compiled"),
        ({"json": {"type": "nonsense"}}, "cannot be compiled"),
        ({"json": {"$ref": "https://example.com/schema"}}, "cannot be compiled"),
        ({"json": 5}, "no JSON schema|cannot be compiled"),
        ({"grammar": "start: other"}, "cannot be compiled"),
        ({"grammar": "start: start"}, r"cannot be followed \(\w+\); give"),
    ],
)
def test_what_cannot_be_compiled(tokenizer, form, said):
    with pytest.raises(GenerationError, match=said):
        TokenGrammar(StructuredOutputsParams(**form), tokenizer, [EOS])([], np.zeros(VOCAB, np.float32))


def test_a_schema_that_names_itself_works(tokenizer):
    form = {"json": {"type": "array", "items": {"$ref": "#"}, "maxItems": 2}}
    assert isinstance(json.loads(written(tokenizer, form, 1, max_new_tokens=3000).text or "[]"), list)


def test_without_tokenizer_end_or_library(tokenizer, monkeypatch):
    form = StructuredOutputsParams(regex="a")
    with pytest.raises(GenerationError, match=r"has no tokenizer\.json"):
        TokenGrammar(form, None, [EOS])
    with pytest.raises(GenerationError, match="leave ignore_eos out"):
        TokenGrammar(form, tokenizer, [])
    monkeypatch.setitem(sys.modules, "llguidance", None)
    with pytest.raises(MissingExtraError, match=r"tyllm\[structured\]"):
        TokenGrammar(form, tokenizer, [EOS])
