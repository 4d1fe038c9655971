"""Calibration samples: joined, cut, spread, in the form that the model knows."""

import builtins
import re

import pytest
import torch

from awq.calibration.source import documents_of
from awq.calibration.tokens import calibration_samples, encode
from tyllm_base.errors import CalibrationError


class Letters:
    """A tokenizer whose tokens are bytes."""

    def encode(self, text):
        return list(text.encode())


def samples(source, count=4, length=10, vocabulary=256):
    return calibration_samples(source, Letters(), count, length, vocabulary)


def test_the_bundled_text_is_the_default():
    found = samples(None)
    assert found.shape == (4, 10) and found.dtype == torch.int64
    assert bytes(found[0].tolist()) == documents_of(None)[0].strip().encode()[:10]
    assert torch.equal(samples("bundled"), found)


@pytest.mark.parametrize(("count", "length"), [(16, 1536), (32, 512)])  # bytes: 3 to 5 are a token
def test_few_samples_of_the_bundled_text_have_many_scripts_and_code(count, length):
    found = [bytes(row.tolist()).decode(errors="ignore") for row in samples(None, count, length)]
    ranges = [("\u4e00", "\u9fff"), ("\u3040", "\u30ff"), ("\uac00", "\ud7af"), ("\u0400", "\u04ff")]
    ranges += [("\u0600", "\u06ff"), ("\u0900", "\u097f")]
    counts = [sum(a <= c <= b for text in found for c in text) for a, b in ranges]
    code = [text for text in found if sum(text.count(c) for c in "{}()[]=;") > 0.03 * len(text)]
    assert counts[0] > 500 and sum(count > 60 for count in counts) >= 5 and code


def test_scripts_that_the_tokenizer_spells_out_are_left_out():
    class Words:
        """A token for each Latin word, and one for each byte of others."""

        def encode(self, text):
            pieces = re.findall(r"[A-Za-z]+|[^A-Za-z]", text)
            return [t for piece in pieces for t in ([0] if len(piece) > 1 else piece.encode())]

    found = calibration_samples(None, Words(), 10**6, 64, 256)
    assert 200 < len(found) < 1500
    assert (found > 127).float().mean() < 0.1


def test_conversations_take_the_form_of_the_chat_template():
    talk = [{"role": "user", "content": "Hello?"}, {"role": "assistant", "content": "Hi!"}]

    class Chat(Letters):
        chat_template = "yes"

        def encode(self, text, add_special_tokens=True):
            return [*(b"^" if add_special_tokens else b""), *text.encode()]

        def apply_chat_template(self, messages, tokenize):
            return "".join(f"<{message['role'][0]}>{message['content']}" for message in messages)

    def text(tokenizer, source):
        return bytes(calibration_samples(source, tokenizer, 1, 99, 256)[0].tolist())

    assert text(Chat(), [talk, "plain"]) == b"<u>Hello?<a>Hi!^plain"
    assert text(Letters(), [talk]) == b"User: Hello?\n\nAssistant: Hi!"


def test_every_sample_of_text_has_the_first_token_that_the_model_expects():
    class Tokenizer:
        bos_token_id = 7

        def encode(self, text):
            return [7, *text.encode()]

    def cut(source):
        return calibration_samples(source, Tokenizer(), 4, 5, 256).tolist()

    assert cut(["abc", "defg"]) == [[7, *b"abcd"]]
    assert cut([list(b"abcdefghij")]) == [list(b"abcde"), list(b"fghij")]


def test_texts_are_joined_and_cut():
    assert samples(["abcdefgh", " ijklmnopqrst "]).tolist() == [list(b"abcdefghij"), list(b"klmnopqrst")]


def test_token_ids_are_taken_as_they_are():
    assert samples([[1, 2], [3, 4]], length=2).tolist() == [[1, 2], [3, 4]]


def test_samples_are_spread_over_a_long_source():
    assert samples([[i] for i in range(40)], count=2, length=5)[:, 0].tolist() == [0, 20]


def test_a_short_text_is_one_short_sample():
    assert samples(["abc"]).shape == (1, 3)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ([], "holds no tokens"),
        ([""], "holds no tokens"),
        ([[300]], "holds the token 300, but the model has 256"),
        ([[-1]], "holds the token -1"),
        (["a", [1]], "mixes types"),
        ("no/such/dataset", "no/such/dataset"),
    ],
)
def test_wrong_sources(source, message):
    with pytest.raises(CalibrationError, match=message) as caught:
        samples(source)
    assert caught.value.exit_code == 4


def test_text_needs_a_tokenizer():
    with pytest.raises(CalibrationError, match="needs a tokenizer"):
        calibration_samples(["a"], None, 1, 1, 256)


def test_no_samples():
    with pytest.raises(CalibrationError, match="0 samples"):
        samples(None, count=0)


@pytest.mark.parametrize("name", ["PanicException", "RuntimeError", "KeyboardInterrupt"])
def test_a_tokenizer_that_fails(name):
    failure = {"PanicException": type("PanicException", (BaseException,), {})}.get(name) or getattr(builtins, name)

    class Failing:
        def encode(self, _):
            raise failure("index 9")

    expected = KeyboardInterrupt if name == "KeyboardInterrupt" else CalibrationError
    with pytest.raises(expected, match="index 9"):
        encode("text", Failing())
    with pytest.raises(expected, match="index 9"):
        calibration_samples(["text"], Failing(), 1, 1, 256)
