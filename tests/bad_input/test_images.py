"""What images and videos get that cannot be used: each row is the arguments of `run` and the sentence; code 8."""

import io
import json

import numpy as np
import pytest
from PIL import Image
from tests.bad_input.commands import agrees
from tests.tiny_vision_language import write_tiny_vision_language
from tests.vision_tokenizer import write_vision_tokenizer

from tyllm.cli import main


@pytest.fixture(scope="module")
def seeing(tmp_path_factory):
    """A package of a vision-language model that works: an image is 16 tokens, the cache holds 160."""
    folder = tmp_path_factory.mktemp("seeing")
    write_tiny_vision_language(folder / "model")
    write_vision_tokenizer(folder / "model")
    arguments = ["--seq-lens", "1,8", "--max-kv-cache-size", "160", "--image-size", "112x112"]
    assert main(["compile", str(folder / "model"), str(folder / "package"), *arguments]) == 0
    return folder / "package"


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    """A good image and bad ones."""
    folder = tmp_path_factory.mktemp("images")
    noise = np.random.default_rng(1).integers(0, 256, (112, 112, 3), np.uint8)
    Image.fromarray(noise).save(folder / "good.png")
    for name, mode, size in (("dot", "RGB", (1, 1)), ("line", "RGB", (20000, 1)),
                             ("bomb", "1", (20000, 20000))):  # fmt: skip
        Image.new(mode, size).save(folder / f"{name}.png")
    (folder / "cut.png").write_bytes((folder / "good.png").read_bytes()[:20000])
    (folder / "text.png").write_text("no image")
    (folder / "empty").mkdir()
    (folder / "film.mp4").write_bytes(b"film")
    return folder


GOOD = "--image {images}/good.png"
PAD = "<|vision_start|><|image_pad|><|vision_end|>"
NO_CHAT = "write one where each image belongs, or give a chat whose messages have the images in them."
IMAGES = {
    "no such file": ("--image {images}/none.png", "There is no image {images}/none.png; check the path."),
    "no image": (
        "--image {images}/text.png", "text.png is not an image that can be read; save it as JPEG, PNG, …."),
    "a truncated one": ("--image {images}/cut.png", "cut.png is damaged or truncated …; fetch or save it again."),
    "a single pixel": (
        "--image {images}/dot.png", "dot.png is 1×1, a single pixel that shows nothing; give a larger image."),
    "a line": (
        "--image {images}/line.png", "line.png is 20000×1, one side more than 200 times the other; crop it …."),
    "a bomb": (
        "--image {images}/bomb.png",
        "bomb.png is …400,000,000 pixels, more than the … that are decoded; scale it down, …."),
    "more than there is room for": (
        " ".join([GOOD] * 11),
        "11 images or videos of at least 16 tokens each do not fit into the 160 tokens that the cache holds; give "
        "fewer, or compile the model with a larger max_kv_cache_size."),
    "a video without frames": (
        "--video {images}/empty", "The folder {images}/empty has no frames in it; put images there, …."),
    "a film": ("--video {images}/film.mp4", "film.mp4 is a film, which is not decoded here; take its frames with …."),
    "fewer placeholders than images": (
        f"{GOOD} {GOOD} {PAD}", f"The prompt has 1 placeholder <|image_pad|> for 2 images; {NO_CHAT}"),
    "a placeholder without an image": (PAD, f"The prompt has 1 placeholder <|image_pad|> for 0 images; {NO_CHAT}"),
}  # fmt: skip


@pytest.mark.parametrize("mistake", IMAGES)
def test_an_image_that_cannot_be_used(tyllm, seeing, images, mistake):
    arguments, sentence = IMAGES[mistake]
    words = arguments.replace("{images}", str(images)).split()
    prompt = ["Hello"] if words[-1] != PAD else []
    ended = tyllm(["run", str(seeing), *prompt, *words])
    agrees(ended, 8, sentence, images=images)


def test_an_image_for_a_text_model(tyllm, package, images):
    sentence = (
        "The package was compiled from a text model (…) and takes no images; compile a vision-language model such as "
        "Qwen2.5-VL."
    )
    agrees(tyllm(["run", str(package), "Hello", "--image", str(images / "good.png")]), 8, sentence)


def test_a_chat_goes_on_after_what_is_wrong_with_images(seeing, images, monkeypatch, capfd):
    bad = [f"/image {images / name}.png" for name in ("none", "text", "cut", "dot", "line", "bomb")]
    many = [f"/image {images / 'good.png'}"] * 11
    lines = [*bad, f"/video {images / 'empty'}", PAD, *many, "too many", many[0], "Hello"]
    monkeypatch.setattr("sys.stdin", io.StringIO("\n".join(lines)))
    assert main(["chat", str(seeing), "--max-new-tokens", "2", "--json"]) == 0
    told = [json.loads(line) for line in capfd.readouterr().out.splitlines()]
    assert [each.get("exit_code") for each in told] == [8] * 9 + [None]
    assert told[-1]["timings"]["prompt_tokens"] > 16


def test_good_images_are_seen(seeing, images, capfd):
    """The rows above fail by what was wrong, not by what they all share."""
    assert main(["run", str(seeing), "Hello", "--image", str(images / "good.png"), "--max-new-tokens", "2"]) == 0
    assert main(["run", str(seeing), f"{PAD} Hello", "--image", str(images / "good.png"), "--json"]) == 0
    assert capfd.readouterr().out
