"""Sizes of images become grids as transformers makes them, or are refused."""

from types import SimpleNamespace

import pytest
from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import smart_resize

from tyllm.llm.vision.image_sizes import image_sizes
from tyllm_base.errors import SettingError

VISION = SimpleNamespace(patch_size=14, spatial_merge_size=2)


@pytest.mark.parametrize("size", [(540, 960), (1080, 1920), (448, 768), (360, 640), (28, 28), (42, 70), (70, 42)])
def test_the_grid_is_that_of_transformers(size):
    (found,) = image_sizes([size], VISION, 10**6)
    height, width = smart_resize(*size, factor=28, min_pixels=1, max_pixels=10**8)
    assert found.grid == (height // 14, width // 14)
    assert found.name == f"{size[0]}x{size[1]}"


def test_the_manuals_size():
    (found,) = image_sizes([(540, 960)], VISION, 4096)
    assert found.grid == (38, 68)  # 2584 patches, as the manual's file names say


@pytest.mark.parametrize(
    ("sizes", "words"),
    [
        ([], "is empty; give a size as height and width, such as 540x960"),
        ([(0, 960)], "0x960 is smaller than the 28x28 pixels of one token"),
        ([(540, -960)], "540x-960 is smaller than"),
        ([(540, 27)], "540x27 is smaller than"),
        ([(540.5, 960)], "is no height and width; give two whole numbers"),
        ([(540,)], r"\(540,\) is no height and width"),
        ([(4000, 40000)], "4000x40000 is 817,388 patches, more than the 65,536 that the vision tower can be planned"),
        ([(540, 960), (532, 952)], "540x960 and 532x952 are both 38x68 patches; give one of them"),
        ([(2000, 2000)], "An image of 2000x2000 is 5,041 tokens, and the cache holds 4,096"),
    ],
)
def test_refused(sizes, words):
    with pytest.raises(SettingError, match=words):
        image_sizes(sizes, VISION, 4096)
