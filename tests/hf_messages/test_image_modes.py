"""Every pixel format becomes what Hugging Face makes of it, and 16 bits become 8 instead of white."""

import warnings

import numpy as np
import pytest
from PIL import Image

from hf_messages.image_modes import to_rgb
from tyllm_base.errors import ImageError


@pytest.fixture
def rgb(draw) -> Image.Image:
    return draw(30, 40)


def in_mode(rgb: Image.Image, mode: str) -> Image.Image:
    """The image in a mode; with alpha that is neither 0 nor 255 everywhere, or a palette with a hole."""
    if mode == "P with transparency":
        image = rgb.convert("P", palette=Image.Palette.ADAPTIVE, colors=16)
        image.info["transparency"] = 3
        return image
    if mode == "P with bytes of transparency":
        image = rgb.convert("P", palette=Image.Palette.ADAPTIVE, colors=16)
        image.info["transparency"] = bytes(range(0, 256, 16))
        return image
    image = rgb.convert("RGBA") if mode in ("RGBA", "LA") else rgb
    if mode in ("RGBA", "LA"):
        ramp = np.linspace(0, 255, rgb.width, dtype=np.uint8)
        image.putalpha(Image.fromarray(np.tile(ramp, (rgb.height, 1))))
    return image.convert(mode)


MODES = ["RGB", "RGBA", "L", "LA", "1", "P", "CMYK", "YCbCr", "HSV", "P with transparency",
         "P with bytes of transparency"]  # fmt: skip


@pytest.mark.parametrize("mode", MODES)
def test_as_hugging_face(rgb, mode):
    load_image = pytest.importorskip("transformers.image_utils").load_image
    image = in_mode(rgb, mode)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = load_image(image.copy())
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        result = to_rgb(image, "x")
    assert result.mode == "RGB"
    assert np.array_equal(np.asarray(result), np.asarray(expected))
    assert np.asarray(result).std() > 10


def test_alpha_is_dropped_not_laid_on_a_color():
    image = Image.new("RGBA", (4, 4), (200, 10, 20, 0))
    assert np.asarray(to_rgb(image, "x"))[0, 0].tolist() == [200, 10, 20]


@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation(rgb, orientation):
    load_image = pytest.importorskip("transformers.image_utils").load_image
    rgb.getexif()[0x0112] = orientation
    result = to_rgb(rgb, "x")
    assert result.size == ((40, 30) if orientation < 5 else (30, 40))
    assert np.array_equal(np.asarray(result), np.asarray(load_image(rgb)))
    assert np.array_equal(np.asarray(result), np.asarray(rgb)) == (orientation == 1)


@pytest.mark.parametrize(("type_", "mode"), [("<u2", "I;16"), (">u2", "I;16B"), ("<i4", "I")])
def test_sixteen_bits_are_scaled(type_, mode):
    values = np.array([[0, 128, 129, 257], [32768, 40000, 65406, 65535]], type_)
    image = Image.frombytes(mode, (4, 2), values.tobytes())
    assert image.mode == mode
    gray = np.asarray(to_rgb(image, "x"))
    assert gray[..., 0].tolist() == [[0, 0, 1, 1], [128, 156, 254, 255]]
    assert (gray[..., 1] == gray[..., 0]).all()


def test_integers_of_eight_bits_are_as_they_are(rgb):
    gray = rgb.convert("L")
    gray.putpixel((0, 0), 255)
    assert np.array_equal(np.asarray(to_rgb(gray.convert("I"), "x"))[..., 0], np.asarray(gray))


@pytest.mark.parametrize("values", [[[-1, 5]], [[0, 65536]]])
def test_integers_of_more_than_sixteen_bits(values):
    with pytest.raises(ImageError, match=r"scan\.tif has 32-bit pixels from"):
        to_rgb(Image.fromarray(np.array(values, np.int32)), "scan.tif")


def test_floats_are_refused():
    with pytest.raises(ImageError, match="floating-point"):
        to_rgb(Image.new("F", (4, 4)), "x")


def test_what_is_given_is_not_changed(rgb):
    image = in_mode(rgb, "P with transparency")
    before = image.tobytes()
    to_rgb(image, "x").putpixel((0, 0), (1, 2, 3))
    to_rgb(rgb, "x").putpixel((0, 0), (1, 2, 3))
    assert image.info["transparency"] == 3
    assert image.tobytes() == before
    assert rgb.getpixel((0, 0)) != (1, 2, 3)
