"""Images: opened upright, fitted to a limit, and what each wrong one gets."""

import pytest
import torch
from PIL import Image
from tests.awq.tiny_vision_models import image, write_vision_checkpoint
from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil

from awq.calibration.image import ImageProcessor, opened
from awq.stream.meta_model import MetaModel
from hf_checkpoint.checkpoint import Checkpoint
from tyllm_base.errors import CalibrationError


@pytest.fixture(scope="module")
def processor(tmp_path_factory):
    folder = write_vision_checkpoint(tmp_path_factory.mktemp("vl"), "qwen2_5_vl")
    tower = MetaModel.build(Checkpoint.open(folder), torch.device("cpu")).tower
    return lambda embeddings: ImageProcessor.of(folder, tower, embeddings)


def test_patches_are_those_of_hugging_face(processor):
    drawn = image(1, 140, 98)
    found = processor(1000).image(drawn, "It")
    reference = Qwen2VLImageProcessorPil()(images=[drawn], return_tensors="pt")
    assert [list(found.grid)] == reference["image_grid_thw"].tolist()
    assert torch.equal(processor(1000).patches(found), reference["pixel_values"])


@pytest.mark.parametrize("size", [(560, 280), (140, 1000), (30, 30), (1000, 30)])
def test_an_image_has_no_more_embeddings_than_allowed(processor, size):
    limited = processor(20)
    found = limited.image(Image.new("RGB", size), "It")
    assert 1 <= found.patches // limited.merged <= max(20, 1000 // 28 + 1)
    assert limited.patches(found).shape == (found.patches, limited.values)
    if size == (560, 280):
        assert found.patches // limited.merged <= 20


def test_it_is_turned_upright(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by a quarter
    Image.new("RGB", (60, 30)).save(tmp_path / "a.jpg", exif=exif)
    assert opened(str(tmp_path / "a.jpg"), "It").size == (30, 60)


@pytest.mark.parametrize("mode", ["RGBA", "P", "L", "CMYK", "1"])
def test_every_mode_becomes_rgb(mode):
    assert opened(Image.new(mode, (60, 30)), "It").mode == "RGB"


def test_the_digest_is_of_the_pixels(processor, tmp_path):
    image(1).save(tmp_path / "a.png")
    same = [processor(99).image(each, "It").digest for each in (image(1), str(tmp_path / "a.png"))]
    assert same[0] == same[1] != processor(99).image(image(2), "It").digest


def refused(processor, source, message):
    with pytest.raises(CalibrationError, match=message) as caught:
        processor(99).image(source, "Image 1 of Conversation 2")
    assert caught.value.exit_code == 4


def test_what_cannot_be_read(processor, tmp_path, monkeypatch):
    refused(processor, str(tmp_path / "none.png"), r"^Image 1 of Conversation 2: There is no image .*none\.png; check")
    (tmp_path / "text.png").write_text("words")
    refused(processor, str(tmp_path / "text.png"), r"text\.png is not an image that can be read; save it as")
    image(1, 560, 560).save(tmp_path / "a.png")
    (tmp_path / "cut.png").write_bytes((tmp_path / "a.png").read_bytes()[:900])
    refused(processor, str(tmp_path / "cut.png"), r"cut\.png is damaged or truncated")
    refused(processor, str(tmp_path), "is a folder and not a file; give the path of an image")
    refused(processor, "https://host/a.png", "is an address on the web; fetch it first and give the file")
    refused(processor, 7, "A int is no image; give a path")
    refused(processor, Image.new("RGB", (9000, 30)), "is 9000×30, one side more than 200 times the other; crop it")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    refused(processor, str(tmp_path / "a.png"), r"a\.png is .*313,600 pixels, more than the 1,000 that are decoded")
