"""Whole characters and stop strings, wherever the borders of tokens and pieces lie."""

import itertools

import pytest
from fake_package import write_tokenizer

from tyllm.runtime.generation.text_stream import StopStrings, TextStream
from tyllm.runtime.prompt.tokenizer import Tokenizer

TEXT = "aé中🙂\u200d🙂 ﷽ x\n"


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tokenizer")
    write_tokenizer(folder)
    return Tokenizer(folder)


def test_characters_come_whole_when_each_byte_is_a_token(tokenizer):
    stream = TextStream(tokenizer.decode)
    pieces = [stream.push(token) for token in tokenizer.encode(TEXT)]
    assert [piece for piece in pieces if piece] == list(TEXT)
    assert stream.flush() == ""


def test_an_unfinished_character_comes_at_the_end(tokenizer):
    stream = TextStream(tokenizer.decode)
    assert [stream.push(token) for token in tokenizer.encode("a🙂")[:-1]] == ["a", "", "", ""]
    assert stream.flush() == "\ufffd"
    assert stream.flush() == ""


def test_bytes_that_are_no_character_do_not_stop_the_text(tokenizer):
    bad = tokenizer.encode("é")[0]
    tokens = [bad, bad, *tokenizer.encode("ok")]
    stream = TextStream(tokenizer.decode)
    assert "".join(stream.push(token) for token in tokens) == tokenizer.decode(tokens)


def test_special_tokens_are_left_out(tokenizer):
    stream = TextStream(tokenizer.decode)
    assert "".join(stream.push(token) for token in tokenizer.encode("a<|im_end|>b")) == "ab"


def test_a_decoder_that_drops_the_first_space_of_a_text():
    words = {1: " one", 2: " two", 3: " three"}
    stream = TextStream(lambda tokens: "".join(words[token] for token in tokens).removeprefix(" "))
    assert [stream.push(token) for token in (1, 2, 3)] == ["one", " two", " three"]


@pytest.mark.parametrize("stops", [("END",), ("ND", "END"), ("xE", "cE"), ("aab",), ("zzz",), ("b", "bcEND")])
def test_a_stop_string_is_found_however_the_text_is_cut(stops):
    text = "aaabcEND and more"
    ends = [at for stop in stops if (at := text.find(stop)) >= 0]
    expected = text[: min(ends)] if ends else text
    for cuts in itertools.combinations(range(len(text) + 1), 2):
        matcher = StopStrings(stops)
        pieces = [text[: cuts[0]], text[cuts[0] : cuts[1]], text[cuts[1] :]]
        shown = "".join(matcher.push(piece) for piece in pieces) + matcher.flush()
        if len(stops) == 1:
            assert shown == expected
        assert (matcher.found is not None) == bool(ends)
        assert not any(stop in shown for stop in stops)


def test_only_what_may_become_a_stop_string_is_held_back():
    matcher = StopStrings(["</s>"])
    assert [matcher.push(piece) for piece in ("a<", "b", "</", "s", "x", "</s>y", "z")] == [
        "a",
        "<b",
        "",
        "",
        "</sx",
        "",
        "",
    ]
    assert matcher.found


def test_without_stop_strings_nothing_is_held_back():
    matcher = StopStrings(())
    assert [matcher.push("a"), matcher.push("b"), matcher.flush()] == ["a", "b", ""]
