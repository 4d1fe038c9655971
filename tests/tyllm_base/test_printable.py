"""Text of others cannot steer a terminal; what people write stays as it is."""

import io
import json

import pytest

from tyllm_base.printable import json_text, model_text, one_line, printable

PEOPLE = "日本語 👩‍👩‍👧 é עברית \u200f مرحبا\tx"


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self):
        return True


def test_what_people_write_stays():
    assert printable(PEOPLE) == one_line(PEOPLE) == model_text(PEOPLE, Terminal()) == PEOPLE
    assert json.loads(json_text(PEOPLE)) == PEOPLE and "日本語" in json_text(PEOPLE)


@pytest.mark.parametrize("code", [*range(0x20), *range(0x7F, 0xA0)])
def test_no_control_character_is_left(code):
    text = f"a{chr(code)}b"
    kept = chr(code) in "\n\t"
    assert (printable(text) == text) is kept
    assert (model_text(text, Terminal()) == text) is kept
    assert model_text(text, io.StringIO()) == text
    assert (one_line(text) == text) is (code == 9)
    assert json_text([text]).isprintable() and json.loads(json_text([text])) == [text]


@pytest.mark.parametrize("code", [*range(0x202A, 0x202F), *range(0x2066, 0x206A)])
def test_no_message_turns_round(code):
    assert printable(f"a{chr(code)}b") == one_line(f"a{chr(code)}b") == f"a\\u{code:04x}b"
    assert json.loads(json_text(chr(code))) == chr(code) and json_text(chr(code)).isascii()


def test_a_sentence_is_one_line():
    assert one_line("a\nb\u2028c\rd") == "a\\nb\\u2028c\\x0dd"
