"""Conversations: what counts as a message, and where its images are."""

from pathlib import Path

import pytest

from awq.calibration.conversations import images_in, is_message, located

IMAGE = {"type": "image", "image": "a.png"}


@pytest.mark.parametrize(
    ("content", "good"),
    [
        ("words", True),
        ([{"type": "text", "text": "words"}, IMAGE], True),
        ([{"type": "image", "path": "a.png"}], True),
        ([{"type": "image_url", "image_url": {"url": "a.png"}}], True),
        ([{"type": "image_url"}], False),
        ([], False),
        ([{"type": "image"}], False),
        ([{"type": "video", "video": "a.mp4"}], False),
        ([{"type": "text"}], False),
        (["words"], False),
        (None, False),
    ],
)
def test_what_counts(content, good):
    assert is_message({"role": "user", "content": content}) is good


def test_others_are_none():
    assert not is_message("words") and not is_message({"content": "words"})


def test_text_alone_becomes_a_string():
    parts = [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]
    assert located([{"role": "user", "content": parts}]) == [{"role": "user", "content": "ab"}]


@pytest.mark.parametrize("path", ["a.png", "file://a.png", Path("a.png"), "file:///data/a.png"])
def test_paths_are_joined(path):
    (found,) = located([{"role": "user", "content": [{"type": "image", "image": path}]}], Path("/data"))
    assert found["content"] == [{"type": "image", "image": "/data/a.png"}]
    assert list(images_in([found])) == ["/data/a.png"]


def test_absolute_paths_and_addresses_stay():
    for path in ("/x/a.png", "https://host/a.png", "data:image/png;base64,AA=="):
        (found,) = located([{"role": "user", "content": [{"type": "image", "image": path}]}], Path("/data"))
        assert found["content"][0]["image"] == path


def test_no_images_in_text_and_tokens():
    assert not [*images_in("words"), *images_in([1, 2]), *images_in([{"role": "user", "content": "words"}])]
