"""The drawing of a chat holds the picture and every line of it."""

import base64
import io
import sys

import pytest
from PIL import Image


@pytest.fixture(scope="module")
def picture_chat(repo):
    sys.path[:0] = [str(repo / "scripts")]
    import picture_chat

    yield picture_chat
    sys.path.remove(str(repo / "scripts"))


def test_the_picture_and_the_lines_are_in_the_drawing(picture_chat):
    picture = Image.new("RGB", (30, 20), (200, 10, 10))
    turns = [("What is <this>?", "a red square " * 12), ("Sure?", "yes")]
    drawn = picture_chat.svg(picture, turns, "tyllm chat")
    data = drawn.split("base64,")[1].split('"')[0]
    assert Image.open(io.BytesIO(base64.b64decode(data))).tobytes() == picture.tobytes()
    assert "&gt; What is &lt;this&gt;?" in drawn and "  yes" in drawn
    assert drawn.count("a red square") >= 3


@pytest.mark.parametrize(("text", "lines"), [("one two three", ["one two", "three"]), ("word", ["word"]), ("", [""])])
def test_lines_are_wrapped(picture_chat, text, lines):
    assert picture_chat.wrapped(text, 9) == lines
