"""The drawing of a chat holds the image and every line of it."""

import base64
import io
import sys

import pytest
from PIL import Image


@pytest.fixture(scope="module")
def image_chat(repo):
    sys.path[:0] = [str(repo / "scripts")]
    import image_chat

    yield image_chat
    sys.path.remove(str(repo / "scripts"))


def test_the_image_and_the_lines_are_in_the_drawing(image_chat):
    image = Image.new("RGB", (30, 20), (200, 10, 10))
    turns = [("What is <this>?", "a red square " * 12), ("Sure?", "yes")]
    drawn = image_chat.svg(image, turns, "tyllm chat")
    data = drawn.split("base64,")[1].split('"')[0]
    assert Image.open(io.BytesIO(base64.b64decode(data))).tobytes() == image.tobytes()
    assert "&gt; What is &lt;this&gt;?" in drawn and "  yes" in drawn
    assert drawn.count("a red square") >= 3


@pytest.mark.parametrize(("text", "lines"), [("one two three", ["one two", "three"]), ("word", ["word"]), ("", [""])])
def test_lines_are_wrapped(image_chat, text, lines):
    assert image_chat.wrapped(text, 9) == lines
