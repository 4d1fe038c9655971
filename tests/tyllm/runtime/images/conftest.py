"""Images with something in them, and Hugging Face's own processor as the judge."""

import ast
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.drawn_image import drawn_image

from tyllm.runtime.images import ImageSettings


@pytest.fixture(scope="session")
def settings() -> ImageSettings:
    return ImageSettings()


@pytest.fixture(scope="session")
def draw() -> Callable[..., Image.Image]:
    """`draw(height, width, seed=0)`: see `drawn_image`."""
    return drawn_image


@pytest.fixture(scope="session")
def hugging_face() -> Callable[..., tuple[np.ndarray, tuple[int, ...]]]:
    """`hugging_face(image, **settings)`: pixel_values and grid from transformers' processor on Pillow."""
    module = pytest.importorskip("transformers.models.qwen2_vl.image_processing_pil_qwen2_vl")

    def process(image: Image.Image, min_pixels: int = 3136, max_pixels: int = 1003520, **config):
        size = {"shortest_edge": min_pixels, "longest_edge": max_pixels}  # given: the class's own dict is shared
        result = module.Qwen2VLImageProcessorPil(size=size, **config)(image, return_tensors="np")
        return result["pixel_values"], tuple(int(side) for side in result["image_grid_thw"][0])

    return process


@pytest.fixture(scope="session")
def video_method() -> Callable[[str], Callable]:
    """`video_method(name)`: a method of transformers' video processor, whose module imports torchvision."""
    torch = pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    file = Path(transformers.__file__).parent / "models" / "qwen2_vl" / "video_processing_qwen2_vl.py"
    functions = [node for node in ast.walk(ast.parse(file.read_text())) if isinstance(node, ast.FunctionDef)]

    def method(name: str) -> Callable:
        chosen = next(function for function in functions if function.name == name)
        names = {"torch": torch, "math": math, "VideoMetadata": object}
        exec(compile(ast.Module([chosen], []), str(file), "exec"), names)
        return names[name]

    return method
