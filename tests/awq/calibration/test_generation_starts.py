"""What generated text begins with: words of the tokenizer's, and a chat template's opening before every second one."""

from pathlib import Path

import pytest
from transformers import AutoTokenizer

from awq.calibration.generation_starts import planned_samples
from tyllm_base.errors import CalibrationError

VOCABULARY = 4096


def generation_starts(tokenizer, count, vocabulary, seed=0):
    """What the samples begin with."""
    planned = planned_samples(tokenizer, count, 32, vocabulary, seed)
    assert planned.shape == (count, 32)
    return [row[row >= 0].tolist() for row in planned]


@pytest.fixture(scope="module")
def tokenizer(repo):
    return AutoTokenizer.from_pretrained(Path(repo) / "models" / "tyllm-7m")


def test_starts_are_words(tokenizer):
    tokenizer.chat_template = None
    starts = generation_starts(tokenizer, 64, VOCABULARY)
    assert len(starts) == 64 and all(len(start) == 1 for start in starts)
    texts = [tokenizer.decode(start) for start in starts]
    assert all(any(c.isalnum() for c in text) and "\ufffd" not in text for text in texts)
    assert not {start[0] for start in starts} & set(tokenizer.all_special_ids)
    assert len(set(texts)) > 60


def test_every_second_one_opens_with_the_chat_template(tokenizer):
    tokenizer.chat_template = "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>{% endfor %}"
    starts = [tokenizer.decode(start[:-1]) for start in generation_starts(tokenizer, 4, VOCABULARY)]
    assert starts == ["", "<|im_start|>user\n"] * 2


def test_the_seed_decides(tokenizer):
    tokenizer.chat_template = None
    first = generation_starts(tokenizer, 8, VOCABULARY)
    assert generation_starts(tokenizer, 8, VOCABULARY) == first
    assert generation_starts(tokenizer, 8, VOCABULARY, seed=1) != first


def test_without_a_tokenizer_every_token_will_do():
    assert sorted(start[0] for start in generation_starts(None, 12, 6)) == sorted([*range(6), *range(6)])


def test_a_tokenizer_with_a_bos_token():
    class Tokenizer:
        bos_token_id = 1

        def encode(self, text):
            return [1, *map(ord, text)]

        def decode(self, tokens):
            return chr(tokens[0])

    starts = generation_starts(Tokenizer(), 5, 128)
    assert {start[0] for start in starts} == {1} and all(chr(start[1]).isalnum() for start in starts)


def test_a_tokenizer_without_words():
    class Tokenizer:
        def decode(self, tokens):
            return "."

    assert len(generation_starts(Tokenizer(), 7, 3)) == 7


def test_short_samples_have_no_room_for_the_template(tokenizer):
    tokenizer.chat_template = "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}{% endfor %}"
    assert (planned_samples(tokenizer, 4, 5, VOCABULARY)[:, 1:] == -1).all()


@pytest.mark.parametrize(("count", "length"), [(0, 8), (3, 1)])
def test_no_room_at_all(count, length):
    with pytest.raises(CalibrationError, match=f"cannot write {count} samples of {length} tokens"):
        planned_samples(None, count, length, VOCABULARY)


@pytest.mark.parametrize("failing", ["encode", "decode"])
def test_a_tokenizer_that_fails(tokenizer, monkeypatch, failing):
    monkeypatch.setattr(tokenizer, failing, lambda *_, **__: "a" < 1)
    with pytest.raises(CalibrationError, match="The tokenizer cannot encode the calibration data"):
        planned_samples(tokenizer, 2, 32, VOCABULARY)
