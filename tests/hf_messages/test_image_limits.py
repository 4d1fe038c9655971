"""What an image may be before it is decoded: small files that ask for much are refused in seconds, in little memory."""

import io
import os
import resource
import time
import warnings

import numpy as np
import pytest
from PIL import Image, UnidentifiedImageError
from tests.hostile_images import bombs, encoded, gif, hostile, png, samples, tiff

from hf_messages import image_limits
from hf_messages.image_file import load_image
from hf_messages.image_limits import LimitedReader, PixelBudget, check_format
from tyllm.runtime.images.frames import open_frames
from tyllm_base.errors import ImageError

SECONDS, MEMORY = 5, 1 << 30
BOMBS = bombs()


def all_frames(content):
    """Decode all frames, as a video's."""
    with open_frames(content) as frames:
        return [image.size for image in frames.read(range(frames.count))]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("read", [load_image, all_frames])
@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_ends_soon_and_within_little_memory(name, read):
    started, before = time.process_time(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    try:
        read(BOMBS[name])
    except ImageError as error:
        assert str(error).endswith(".") and len(str(error)) < 400
    assert time.process_time() - started < SECONDS
    assert (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024 < MEMORY


@pytest.mark.parametrize(
    ("name", "read", "words"),
    [
        ("40 frames of 8000x8000", all_frames, "has 40 frames of 8000×8000, 2,560,000,000 pixels and more than the"),
        ("a million frames", all_frames, "frames, more than the 3,000 of any video|parts are too many"),
        ("4,000 pages", all_frames, "has more than 3,000 pages"),
        ("pages of 8000x8000", all_frames, "8000×8000, 768,000,000 pixels"),
        ("tiles larger than the image", load_image, "tiles of 40000×40000 pixels"),
        ("5,000 scans", load_image, "is 9000×9000 in 5,0.. scans, more than cameras write"),
        (
            "a postscript program",
            load_image,
            "is not an image that can be read; save it as JPEG, PNG, WebP, GIF, BMP or",
        ),
        (
            "2 thousand million frames",
            all_frames,
            "2,147,483,648 frames of 20×20, 858,993,459,200 pixels|more than the 3,000 of any video",
        ),
    ],
)
def test_a_bomb_is_refused_for_what_it_is(name, read, words):
    with pytest.raises(ImageError, match=words):
        read(BOMBS[name])


@pytest.mark.filterwarnings("ignore")
def test_a_changed_image_is_an_image_or_a_sentence(count=150):
    """`make test-faults` changes 3,000."""
    held = {load_image: 0, all_frames: 0}
    for content in hostile(count, seed=count):
        for read in held:
            try:
                read(content)
                held[read] += 1
            except ImageError as error:
                assert str(error).endswith(".") and len(str(error)) < 400
    assert all(0 < images < count for images in held.values())


def test_warnings_that_are_errors_are_sentences_too():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for content in hostile(40, seed=7):
            try:
                load_image(content)
            except ImageError as error:
                assert str(error).endswith(".")


def test_ghostscript_is_not_run_whatever_the_name(tmp_path, monkeypatch):
    (tmp_path / "gs").write_text(f"#!/bin/sh\ntouch {tmp_path}/ran\n")
    (tmp_path / "gs").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    path = tmp_path / "cat.jpg"
    path.write_bytes(BOMBS["a postscript program"])
    for source in (path, path.read_bytes()):
        with pytest.raises(ImageError, match="save it as JPEG"):
            load_image(source)
    with pytest.raises(ImageError, match="is of the format EPS, which is not decoded here; call its load"):
        load_image(Image.open(path))
    assert not (tmp_path / "ran").exists()


def test_other_formats_are_refused_and_their_pixels_taken_where_the_caller_decoded_them(draw):
    for kind in ("PPM", "JPEG2000", "TGA"):
        content = encoded(draw(20, 20), kind)
        with pytest.raises(ImageError, match="not an image that can be read; save it as JPEG, PNG"):
            load_image(content)
        opened = Image.open(io.BytesIO(content))
        with pytest.raises(ImageError, match="which is not decoded here"):
            check_format(opened, "x")
        opened.load()
        assert load_image(opened).size == (20, 20)


def test_all_good_samples_of_our_formats_are_read():
    read = [load_image(content).size for content in samples() if not _foreign(content)]
    assert len(read) > 20


def _foreign(content):
    image = Image.open(io.BytesIO(content))
    return image.format not in image_limits.FORMATS or image.mode == "F"


def test_a_limit_of_reads_and_of_bytes(monkeypatch):
    monkeypatch.setattr(image_limits, "MIN_READS", 3)
    file = LimitedReader(io.BytesIO(b"x" * 10), 10)
    assert [file.read(1), file.read(1), file.read()] == [b"x", b"x", b"x" * 8]
    with pytest.raises(OSError, match="too many"):
        file.read(1)
    monkeypatch.setattr(image_limits, "MIN_READS", 1000)
    monkeypatch.setattr(image_limits, "BLOCK", 0)
    file = LimitedReader(io.BytesIO(b"x" * 10), 10)
    with pytest.raises(OSError, match="too many"):
        for _ in range(9):
            file.seek(0)
            file.read()


def test_a_budget_counts_over_all_frames(monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    budget = PixelBudget("The video")
    budget.take(10, 10, 8)
    with pytest.raises(ImageError, match="The video has frames of 1×1, 801 pixels and more than the 800 that are"):
        budget.take(1, 1)
    with pytest.raises(ImageError, match="has 9 frames of 10×10, 900 pixels"):
        PixelBudget("The video").take(10, 10, 9)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", None)
    budget.take(1000, 1000)


def test_frames_of_a_list_are_within_the_budget(monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    frames = [np.zeros((10, 10, 3), np.uint8)] * 9
    with open_frames(frames) as opened, pytest.raises(ImageError, match="has 9 frames of 10×10"):
        list(opened.read(range(9)))
    with open_frames(frames) as opened:
        assert len(list(opened.read(range(8)))) == 8


def test_what_is_no_file_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "cat.jpg")
    for path, words in ((tmp_path / "cat.jpg", "is a named pipe and not a file"), ("/dev/zero", "is a device"),
                        ("/proc/self/mem", "failed|cannot be decoded"), ("/proc/kmsg", "kmsg")):  # fmt: skip
        with pytest.raises(ImageError, match=words):
            load_image(path)


def test_a_file_that_is_too_long_is_not_read(tmp_path):
    with (tmp_path / "cat.png").open("wb") as file:
        file.write(png(20, 20))
        file.truncate(image_limits.MAX_BYTES + 1)
    with pytest.raises(ImageError, match=r"cat\.png has 536,870,913 bytes, more than the 536,870,912 of any image"):
        load_image(tmp_path / "cat.png")


def test_the_files_are_closed(tmp_path, draw):
    (tmp_path / "good.png").write_bytes(encoded(draw(20, 20), "PNG"))
    (tmp_path / "bad.png").write_bytes(b"bad")
    (tmp_path / "some.gif").write_bytes(gif(20, 20, 3))
    (tmp_path / "page.tif").write_bytes(tiff(2, {256: (4, 1, 30)}))
    before = os.listdir("/proc/self/fd")  # noqa: PTH208
    for name in ("good.png", "bad.png", "some.gif", "page.tif", "none.png"):
        for read in (load_image, all_frames):
            try:
                read(tmp_path / name)
            except ImageError:
                continue
    assert os.listdir("/proc/self/fd") == before  # noqa: PTH208


def test_pillow_still_says_so_where_no_format_fits():
    with pytest.raises(UnidentifiedImageError):
        Image.open(io.BytesIO(b"x"), formats=image_limits.FORMATS)
