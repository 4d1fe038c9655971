"""The quantizer and the runtime read the same images out of the same messages, pixel for pixel."""

import base64
from io import BytesIO

import numpy as np
import pytest
import torch
from PIL import Image
from tests.awq.tiny_vision_models import write_vision_checkpoint
from tests.drawn_image import drawn_image

from awq.calibration.conversations import images_in, is_message, located
from awq.calibration.image import ImageProcessor, opened
from awq.stream.meta_model import MetaModel
from hf_checkpoint.checkpoint import Checkpoint
from hf_messages.messages import separate_media
from tyllm.runtime.images import ImageSettings, load_image
from tyllm.runtime.images.patches import image_patches


def calibration_images(message):
    """Pixels of the images that the quantizer reads in a message."""
    assert is_message(message)
    return [np.asarray(opened(source, "It")) for source in images_in(located([message]))]


def runtime_images(message):
    """Pixels of the images that a session reads in a message."""
    return [np.asarray(load_image(source)) for source in separate_media([message]).images]


READERS = pytest.mark.parametrize("images_of", [calibration_images, runtime_images])


def user(*parts):
    return {"role": "user", "content": [*parts, {"type": "text", "text": "What is it?"}]}


def ramp():
    """16-bit gray from black to white."""
    return Image.fromarray(np.linspace(0, 65535, 32 * 64).astype(np.uint16).reshape(32, 64))


@READERS
def test_a_16_bit_ramp_is_half_as_bright_as_white(images_of, tmp_path):
    ramp().save(tmp_path / "ramp.png")
    (pixels,) = images_of(user({"type": "image", "image": str(tmp_path / "ramp.png")}))
    assert pixels.shape == (32, 64, 3)
    assert pixels.mean() == pytest.approx(127.5, abs=0.1)


@READERS
def test_a_file_address_is_unquoted(images_of, tmp_path):
    path = tmp_path / "a b" / "x.png"
    path.parent.mkdir()
    drawn = drawn_image(30, 40)
    drawn.save(path)
    assert "%20" in path.as_uri()
    (pixels,) = images_of(user({"type": "image", "image": path.as_uri()}))
    assert np.array_equal(pixels, drawn)


@READERS
@pytest.mark.parametrize("wrap", [lambda url: {"url": url}, str], ids=["url in an object", "url"])
def test_image_url_parts_pass(images_of, wrap, tmp_path):
    drawn = drawn_image(30, 40)
    drawn.save(tmp_path / "x.png")
    file = BytesIO()
    drawn.save(file, "PNG")
    for url in (str(tmp_path / "x.png"), "data:image/png;base64," + base64.b64encode(file.getvalue()).decode()):
        (pixels,) = images_of(user({"type": "image_url", "image_url": wrap(url)}))
        assert np.array_equal(pixels, drawn)


@READERS
def test_paths_pass(images_of, tmp_path):
    drawn_image(30, 40).save(tmp_path / "x.png")
    (pixels,) = images_of(user({"type": "image", "path": str(tmp_path / "x.png")}))
    assert np.array_equal(pixels, drawn_image(30, 40))


@pytest.mark.parametrize("image", [ramp(), drawn_image(101, 67), drawn_image(56, 84).convert("RGBA")])
def test_patches_for_calibration_are_the_runtimes(image, tmp_path):
    """The runtime's are Hugging Face's: tests/tyllm/runtime/images/test_patches.py."""
    folder = write_vision_checkpoint(tmp_path / "vl", "qwen2_5_vl")
    tower = MetaModel.build(Checkpoint.open(folder), torch.device("cpu")).tower
    processor = ImageProcessor.of(folder, tower, 1000)
    values, grid = image_patches(load_image(image), ImageSettings(patch_size=processor.processor.patch_size))
    found = processor.image(image, "It")
    assert found.grid == grid
    assert np.array_equal(processor.patches(found).numpy(), values)
