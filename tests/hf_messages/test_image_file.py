"""An image is the same from wherever it comes; what is none gets a sentence with the value and the cure."""

import base64
import random
import struct
import zlib
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tyllm.runtime.images import load_image
from tyllm_base.errors import ImageError


def encoded(image: Image.Image, kind: str = "PNG", **options) -> bytes:
    file = BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def png_header(width: int, height: int) -> bytes:
    """A PNG that says its size and has no pixels."""
    header = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunk = struct.pack(">I", 13) + header + struct.pack(">I", zlib.crc32(header))
    return b"\x89PNG\r\n\x1a\n" + chunk + struct.pack(">I", 1000) + b"IDAT"


def test_every_source_is_the_same_image(tmp_path, draw):
    image = draw(31, 47)
    content = encoded(image)
    path = tmp_path / "a b.png"
    path.write_bytes(content)
    url = "data:image/png;base64," + base64.b64encode(content).decode()
    wrapped = url.replace("+", "%2B") + "\n"
    array = np.asarray(image)
    turned = np.asfortranarray(array)
    for source in (path, str(path), content, bytearray(content), url, wrapped, image, array, turned):
        loaded = load_image(source)
        assert loaded.mode == "RGB"
        assert np.array_equal(np.asarray(loaded), array)


def test_arrays_of_other_shapes(draw):
    array = np.asarray(draw(12, 9))
    gray = load_image(array[..., 0])
    assert np.array_equal(np.asarray(gray), np.repeat(array[..., :1], 3, 2))
    with_alpha = np.concatenate([array, array[..., :1]], 2)
    assert np.array_equal(np.asarray(load_image(with_alpha)), array)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "GIF", "TIFF", "BMP"])
def test_formats(tmp_path, draw, kind):
    theirs = pytest.importorskip("transformers.image_utils").load_image
    path = tmp_path / "image"
    path.write_bytes(encoded(draw(33, 45), kind))
    assert np.array_equal(np.asarray(load_image(path)), np.asarray(theirs(str(path))))


def test_sixteen_bit_png(tmp_path):
    values = np.linspace(0, 65535, 256 * 2).astype(np.uint16).reshape(16, 32)
    gray = np.asarray(load_image(encoded(Image.fromarray(values))))[..., 0]
    assert np.abs(gray - values / 257).max() <= 0.5


def test_the_first_frame_of_an_animation(draw):
    frames = [draw(20, 20, seed) for seed in range(3)]
    content = encoded(frames[0], "PNG", save_all=True, append_images=frames[1:])
    assert np.array_equal(np.asarray(load_image(content)), np.asarray(frames[0]))


def test_a_photo_lying_on_its_side(draw):
    exif = Image.Exif()
    exif[0x0112] = 6
    assert load_image(encoded(draw(20, 30), "JPEG", exif=exif)).size == (20, 30)


REFUSED = [
    ("nowhere/cat.png", r"There is no image nowhere/cat\.png; check the path\."),
    (Path("cat.png"), r"There is no image cat\.png"),
    ("", "not a file"),
    ("x" * 5000, "no path of a file|There is no image"),
    ("a\0b", "There is no image|no path of a file"),
    ("https://example.org/cat.png", "address on the web; fetch it first"),
    (b"", "empty, 0 bytes"),
    (b"not an image at all", "not an image that can be read; save it as JPEG"),
    ("data:image/png,abc", "no base64 content"),
    ("data:image/png;base64,ab!cd", "not base64"),
    ("data:image/png;base64,", "empty, 0 bytes"),
    (None, "A NoneType is no image"),
    (7, "A int is no image"),
    (np.zeros((4, 4, 3), np.float32), "float32; give uint8"),
    (np.full((4, 4, 3), np.nan), "float64 with NaN in it; give uint8"),
    (np.zeros((4, 4, 3), bool), "bool; give uint8"),
    (np.zeros((4, 4, 3), object), "object; give uint8"),
    (np.zeros((0, 4, 3), np.uint8), "4×0, which is empty"),
    (np.zeros((3, 20, 20), np.uint8), r"shape is \(3, 20, 20\); give \[H, W\]"),
    (np.zeros((4, 4, 2), np.uint8), "shape is"),
    (np.zeros((4, 4, 1), np.uint8), "shape is"),
    (np.zeros(4, np.uint8), "shape is"),
    (np.zeros((), np.uint8), "shape is"),
    (np.zeros((2, 4, 4, 3), np.uint8), "shape is"),
    (Image.new("RGB", (0, 5)), "0×5, which is empty"),
    (Image.new("RGB", (1, 1)), "1×1, a single pixel"),
    (Image.new("RGB", (20000, 1)), "20000×1, one side more than 200 times the other; crop it"),
    (png_header(1, 20000), "1×20000, one side more than 200 times"),
]


@pytest.mark.parametrize(("source", "message"), REFUSED, ids=[message[:25] for _, message in REFUSED])
def test_what_is_refused(source, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ImageError, match=message) as caught:
        load_image(source)
    assert len(str(caught.value)) < 250
    assert str(caught.value).endswith(".")


def test_a_ratio_of_200_is_not_refused():
    assert load_image(np.zeros((1, 200, 3), np.uint8)).size == (200, 1)


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
@pytest.mark.parametrize("side", [10000, 60000])
def test_a_bomb_is_refused_by_its_header(side):
    with pytest.raises(ImageError, match=f"{side * side:,} pixels, more than the 89,478,485 that are decoded"):
        load_image(png_header(side, side))


def test_the_limit_is_pillows(monkeypatch, draw):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    with pytest.raises(ImageError, match=r"11×10, 110 pixels, more than the 100 "):
        load_image(draw(10, 11))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", None)
    assert load_image(draw(10, 11)).size == (11, 10)


def test_folders_and_files_without_permission(tmp_path, monkeypatch):
    with pytest.raises(ImageError, match="is a folder and not a file"):
        load_image(tmp_path)
    path = tmp_path / "secret.png"
    path.write_bytes(encoded(Image.new("RGB", (4, 4))))

    def refuse(*_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("tyllm_base.regular_file.os.open", refuse)
    with pytest.raises(ImageError, match=r"Cannot read .*secret\.png: permission is denied"):
        load_image(path)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "GIF", "TIFF", "BMP"])
def test_a_truncated_file_is_named(tmp_path, draw, kind):
    content = encoded(draw(60, 60), kind)
    path = tmp_path / "half"
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(ImageError, match=r"half is (damaged|not an image)|half cannot be read"):
        load_image(path)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "GIF", "TIFF", "BMP"])
def test_flipped_bytes_give_an_image_or_a_sentence(draw, kind):
    chance = random.Random(kind)
    exif = Image.Exif()
    exif[0x0112] = 6
    content = encoded(draw(24, 24), kind, **({"exif": exif} if kind in ("PNG", "JPEG", "WEBP") else {}))
    refused = 0
    for _ in range(150):
        damaged = bytearray(content)
        for _ in range(chance.randint(1, 6)):
            damaged[chance.randrange(min(len(damaged), 400))] = chance.randrange(256)
        try:
            assert load_image(bytes(damaged)).mode == "RGB"
        except ImageError:
            refused += 1
    assert refused
