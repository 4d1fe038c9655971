"""The task that tries a tokenizer: what it measures, and which failures it leaves to its caller."""

import json
import os

import pytest
from tests.hostile_tokenizers import added, whole, word_level

from hf_checkpoint.tokenizer_trial_task import prepare


def trial(folder, description):
    path = folder / "tokenizer.json"
    path.write_text(json.dumps(description))
    attempt = prepare(os.fsencode(path))

    def measured(text):
        found = attempt(json.dumps(text).encode())
        assert found.pop("seconds") >= 0
        return found

    return measured


def test_a_text_is_measured(tmp_path):
    attempt = trial(tmp_path, whole())
    assert attempt("aü") == {"bytes": 3, "tokens": 3, "largest": 0xC3, "spelled": 3, "decoded": 2}
    assert attempt("") == {"bytes": 0, "tokens": 0, "largest": -1, "spelled": 0, "decoded": 0}


def test_all_added_tokens_are_one_text(tmp_path):
    attempt = trial(tmp_path, whole(added_tokens=[added("<x>", 256), added("<y>", 257)]))
    assert attempt(None) == {"bytes": 6, "tokens": 2, "largest": 257, "spelled": 6, "decoded": 6}


def test_truncation_and_padding_are_switched_off(tmp_path):
    truncation = {"max_length": 2, "strategy": "LongestFirst", "stride": 0, "direction": "Right"}
    assert trial(tmp_path, whole(truncation=truncation))("a" * 9)["tokens"] == 9


def test_a_text_without_tokens_is_an_answer(tmp_path):
    attempt = trial(tmp_path, whole(word_level(unk_token="<nobody>"), pre_tokenizer={"type": "Whitespace"}))
    assert "UNK" in attempt("b")["refused"]
    assert attempt("a")["tokens"] == 1


def test_what_cannot_be_loaded_is_the_callers(tmp_path):
    with pytest.raises(Exception, match="Model missing"):
        trial(tmp_path, {"version": "1.0"})
