"""Frames come from sequences, folders and animated files, in order and composed."""

import numpy as np
import pytest
from PIL import Image

from tyllm.runtime.images.frames import open_frames
from tyllm_base.errors import ImageError


@pytest.fixture
def images(draw) -> list[Image.Image]:
    return [draw(24, 32, seed) for seed in range(5)]


def read(source, indices=None):
    """Name, count, rate, and the frames as arrays."""
    with open_frames(source) as frames:
        chosen = range(frames.count) if indices is None else indices
        return frames.count, frames.fps, [np.asarray(image) for image in frames.read(chosen)]


def same(frames, images) -> bool:
    return len(frames) == len(images) and all(map(np.array_equal, frames, map(np.asarray, images)))


def test_sequences(images):
    array = np.stack([np.asarray(image) for image in images])
    for source in (images, tuple(images), array, list(array)):
        count, fps, frames = read(source)
        assert (count, fps) == (5, None)
        assert same(frames, images)
    assert same(read(images, [1, 4])[2], [images[1], images[4]])


def test_a_folder_in_natural_order(tmp_path, images):
    for number, image in zip((1, 2, 10, 11, 100), images, strict=True):
        image.save(tmp_path / f"frame{number}.png")
    (tmp_path / "notes.txt").write_text("no frame")
    (tmp_path / ".hidden.png").write_text("no frame")
    assert same(read(tmp_path)[2], images)
    assert same(read(str(tmp_path))[2], images)


@pytest.mark.parametrize(("kind", "options"), [("PNG", {}), ("WEBP", {"lossless": True}), ("TIFF", {})])
def test_files_with_several_frames(tmp_path, images, kind, options):
    path = tmp_path / f"clip.{kind.lower()}"
    images[0].save(path, kind, save_all=True, append_images=images[1:], duration=50, **options)
    count, fps, frames = read(path)
    assert count == 5
    assert fps == (None if kind == "TIFF" else pytest.approx(20))
    assert same(frames, images)
    assert same(read(path, [0, 3])[2], [images[0], images[3]])
    assert same(read(path.read_bytes(), [2])[2], [images[2]])


def test_a_gif_is_composed(tmp_path):
    """Only what changed is stored in a GIF's later frames."""
    frames = [Image.new("RGB", (32, 32), "white") for _ in range(3)]
    for index, frame in enumerate(frames):
        frame.paste((255, 0, 0), (index * 10, 0, index * 10 + 8, 8))
    path = tmp_path / "clip.gif"
    frames[0].save(path, save_all=True, append_images=frames[1:], duration=[100, 200, 300])
    count, fps, read_frames = read(path)
    assert (count, fps) == (3, pytest.approx(5))
    assert same(read_frames, frames)


def test_a_still_image_is_one_frame(tmp_path, images):
    images[0].save(tmp_path / "still.png")
    assert read(tmp_path / "still.png")[:2] == (1, None)
    assert same(read(images[0])[2], images[:1])


@pytest.mark.parametrize("name", ["clip.mp4", "clip.MOV", "clip.webm"])
def test_films_are_refused_with_the_way_out(tmp_path, name):
    (tmp_path / name).write_bytes(b"\0\0\0\x20ftypisom")
    with pytest.raises(ImageError, match=rf"{name} is a film.*ffmpeg -i {name} -vf fps=2 clip/%05d\.jpg.*source_fps=2"):
        read(tmp_path / name)


def test_an_empty_folder(tmp_path):
    with pytest.raises(ImageError, match="has no frames in it"):
        read(tmp_path)


def test_a_bad_frame_is_named(tmp_path, images):
    with pytest.raises(ImageError, match=r"Frame 2 of 3: There is no image"):
        read([images[0], tmp_path / "none.png", images[1]])


def test_a_truncated_animation(tmp_path, images):
    path = tmp_path / "clip.png"
    images[0].save(path, save_all=True, append_images=images[1:])
    content = path.read_bytes()
    path.write_bytes(content[: len(content) * 3 // 4])
    with pytest.raises(ImageError, match=r"clip\.png is damaged or truncated"):
        read(path)


def test_an_animation_of_too_many_pixels(tmp_path, images, monkeypatch):
    path = tmp_path / "clip.png"
    images[0].save(path, save_all=True, append_images=images[1:])
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 32 * 24)
    monkeypatch.setattr("hf_messages.image_limits.IMAGES_OF_FRAMES", 5)
    assert read(path)[0] == 5
    monkeypatch.setattr("hf_messages.image_limits.IMAGES_OF_FRAMES", 4)
    with pytest.raises(ImageError, match=r"clip\.png has 5 frames of 32×24, 3,840 pixels and more than the 3,072"):
        read(path)
