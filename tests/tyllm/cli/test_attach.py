"""Images that wait for the next message: paths, quotes, and what is told."""

from types import SimpleNamespace

import pytest

from tyllm.cli.attach import Attachments
from tyllm_base.errors import ImageError


class FakeVisionTower:
    """Takes files that exist."""

    def image(self, path, fit):
        if not path.is_file():
            raise ImageError(f"There is no image {path.name}; check the path.")
        return SimpleNamespace(tokens=4, message=f"{path.name} was {fit}ded." if "wide" in path.name else None)

    def video(self, given, fit):
        return SimpleNamespace(tokens=8, message=None, rates=given.rates)


@pytest.fixture
def attached(tmp_path, monkeypatch):
    for name in ("a.png", "wide one.png", "it's.png"):
        (tmp_path / name).touch()
    (tmp_path / "frames").mkdir()
    monkeypatch.chdir(tmp_path)
    return Attachments(SimpleNamespace(vision_tower=FakeVisionTower()), "pad", 2.0)


@pytest.mark.parametrize(
    ("rest", "count"),
    [("a.png", 1), ("wide one.png", 1), ("'wide one.png'", 1), ('"wide one.png" a.png', 2), ("wide\\ one.png", 1),
     ("it's.png", 1), ("a.png a.png", 2)],
)  # fmt: skip
def test_paths_with_spaces_and_quotes(attached, rest, count):
    assert sum("goes with the next message (4 tokens)." in told for told in attached.read("image", rest)) == count
    content = attached.with_text("what?")
    assert [part["type"] for part in content] == ["image"] * count + ["text"]


def test_what_was_done_with_an_image_is_told(attached):
    assert attached.read("image", "wide one.png")[-1] == "wide one.png was padded."


def test_a_video_has_its_rate(attached):
    attached.read("video", "frames")
    assert attached.with_text("?")[0]["video"].rates == {"source_fps": 2.0, "num_frames": None}


def test_text_alone_and_after_it_was_said(attached):
    assert attached.with_text("hello") == "hello"
    attached.read("image", "a.png")
    attached.with_text("one")
    assert attached.with_text("two") == "two"
    attached.read("image", "a.png")
    attached.clear()
    assert attached.with_text("three") == "three"


@pytest.mark.parametrize(
    ("rest", "words"),
    [("", "/image names no file; say /image PATH."), ("none.png", "no image none.png"),
     ("a.png none.png", "no image none.png"), ("'a.png", "no image 'a.png")],
)  # fmt: skip
def test_what_cannot_be_attached_leaves_nothing(attached, rest, words):
    with pytest.raises(ImageError, match=words):
        attached.read("image", rest)
    assert attached.with_text("hello") == "hello"
