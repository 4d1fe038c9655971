"""Messages with images in them, taken apart."""

import pytest

from hf_messages.messages import separate_media
from tyllm_base.errors import GenerationError, ImageError


def user(*parts):
    return {"role": "user", "content": list(parts)}


def text(words):
    return {"type": "text", "text": words}


def test_images_and_videos_are_taken_out_in_their_order():
    separated = separate_media(
        [
            {"role": "system", "content": "be brief"},
            user({"type": "image", "path": "a.png"}, text("and"), {"type": "image_url", "image_url": {"url": "b"}}),
            {"role": "assistant", "content": "so", "tool_calls": []},
            user({"type": "video", "video": ["f"], "fps": 2}, {"type": "image_url", "image_url": "c"}, text("?")),
        ]
    )
    assert separated.images == ["a.png", "b", "c"]
    assert separated.videos == [{"type": "video", "video": ["f"], "fps": 2}]
    assert separated.messages == [
        {"role": "system", "content": "be brief"},
        user({"type": "image"}, text("and"), {"type": "image"}),
        {"role": "assistant", "content": "so", "tool_calls": []},
        user({"type": "video"}, {"type": "image"}, text("?")),
    ]


def test_text_alone_is_joined():
    separated = separate_media([user(text("a"), text("b")), {"role": "assistant", "content": None}])
    assert separated.messages == [{"role": "user", "content": "ab"}, {"role": "assistant", "content": None}]


def test_addresses_of_files_become_paths():
    parts = {"type": "image", "image": "file:///a/b%20c.png"}, {"type": "image", "image": "data:image/png;base64,x"}
    assert separate_media([user(*parts)]).images == ["/a/b c.png", "data:image/png;base64,x"]
    assert separate_media([user({"type": "video", "video": "file:///d"})]).videos == [{"type": "video", "video": "/d"}]


@pytest.mark.parametrize(
    ("part", "error", "words"),
    [
        ({"type": "audio", "audio": "x"}, GenerationError, "type 'audio' that is not understood"),
        ("text", GenerationError, "type None that is not understood"),
        ({"type": "text"}, GenerationError, "type 'text' that is not understood"),
        ({"type": "image"}, ImageError, "no image in it"),
        ({"type": "image_url", "image_url": {}}, ImageError, "no image in it"),
        ({"type": "video"}, ImageError, "give it as 'video'"),
    ],
)
def test_parts_that_are_wrong(part, error, words):
    with pytest.raises(error, match=words):
        separate_media([user(part)])
