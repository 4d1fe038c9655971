"""Sizes are those of transformers; an image goes to the compiled size that suits it best."""

import random

import pytest

from tyllm.runtime.images.preprocessor_config import ImageSettings
from tyllm.runtime.images.sizes import compiled_size, placement_for, smart_resize
from tyllm_base.errors import ImageError, SettingError

SIZES = ((540, 960), (448, 768))


@pytest.mark.parametrize("factor", [28, 32])
def test_smart_resize_is_that_of_transformers(factor):
    hf = pytest.importorskip("transformers.models.qwen2_vl.image_processing_pil_qwen2_vl").smart_resize
    draw = random.Random(factor)
    settings = ImageSettings(patch_size=factor // 2)
    kinds = set()
    for _ in range(3000):
        height, width = (round(2 ** draw.uniform(0, 12.5)) for _ in range(2))
        try:
            expected = hf(height, width, factor, settings.min_pixels, settings.max_pixels)
        except ValueError:
            with pytest.raises(ImageError, match=f"{width}×{height}"):
                smart_resize(height, width, settings)
            kinds.add("refused")
            continue
        assert smart_resize(height, width, settings) == expected
        kinds.add(
            "grown" if expected[0] > height + factor else "shrunk" if expected[0] < height - factor else "rounded"
        )
    assert kinds == {"refused", "grown", "shrunk", "rounded"}


def test_the_manuals_size_gives_its_grid(settings):
    assert compiled_size(540, 960, settings) == (38 * 14, 68 * 14)


def test_limits_of_pixels_do_not_change_what_was_asked_for():
    settings = ImageSettings(min_pixels=10**6, max_pixels=10**6)
    assert compiled_size(540, 960, settings) == (532, 952) != smart_resize(540, 960, settings)
    assert compiled_size(2160, 3840, settings) == (2156, 3836)
    assert compiled_size(3, 100, settings) == (28, 112)


@pytest.mark.parametrize("size", [(0, 960), (540, -1), (540.0, 960), (True, 960), ("540", 960)])
def test_sizes_that_are_none(settings, size):
    with pytest.raises(SettingError, match=r"give e\.g\. \(540, 960\)"):
        compiled_size(*size, settings)


def test_hugging_faces_own_size_wins_if_compiled(settings):
    placement = placement_for(540, 960, settings, ((1080, 1920), *SIZES))
    assert (placement.compiled, placement.scaled, placement.how) == ((532, 952), (532, 952), "as Hugging Face")
    assert placement_for(440, 760, settings, SIZES).compiled == (448, 756)


def test_the_nearest_aspect_ratio_wins(settings):
    sizes = ((280, 280), (280, 560), (560, 280))
    assert placement_for(900, 1000, settings, sizes).compiled == (280, 280)
    assert placement_for(500, 1000, settings, sizes).compiled == (280, 560)
    assert placement_for(1000, 500, settings, sizes).compiled == (560, 280)
    # √2 is in the middle, where the padded shares are equal
    assert placement_for(1000, 1350, settings, sizes).compiled == (280, 280)
    assert placement_for(1000, 1480, settings, sizes).compiled == (280, 560)


def test_area_decides_between_like_shapes(settings):
    sizes = ((1080, 1920), (540, 960), (270, 480))
    assert placement_for(4320, 7680, settings, sizes).compiled == (
        532,
        952,
    )  # max_pixels: 728×1316 would be Hugging Face's
    assert placement_for(135, 240, settings, sizes).compiled == (280, 476)
    large = ImageSettings(max_pixels=10**8)
    assert placement_for(4320, 7680, large, sizes).compiled == (1092, 1932)


def test_aspect_is_kept_by_padding(settings):
    placement = placement_for(768, 1024, settings, SIZES[:1])
    assert (placement.compiled, placement.scaled, placement.how) == ((532, 952), (532, 709), "padded")
    tall = placement_for(1024, 768, settings, SIZES[:1])
    assert tall.scaled == (532, 399)


def test_what_is_less_than_half_a_token_is_stretched(settings):
    assert placement_for(1080, 1920, settings, SIZES[:1]).how == "resized"  # 946 of 952 columns
    assert placement_for(1120, 1092, settings, ((560, 560),)).how == "resized"  # 14 columns free, the half
    assert placement_for(1120, 1090, settings, ((560, 560),)).how == "padded"
    assert placement_for(1090, 1120, settings, ((560, 560),)).how == "padded"


def test_fit_resize_stretches(settings):
    placement = placement_for(1024, 768, settings, SIZES[:1], "resize")
    assert (placement.scaled, placement.how) == ((532, 952), "resized")


def test_a_thin_image_keeps_a_pixel(settings):
    assert placement_for(200, 1, settings, ((28, 56),)).scaled == (28, 1)
    assert placement_for(20, 4000, settings, ((28, 56),)).scaled == (1, 56)


def test_nothing_to_choose_from(settings):
    with pytest.raises(SettingError, match="no image size compiled"):
        placement_for(10, 10, settings, ())
    with pytest.raises(SettingError, match="'crop' is unknown"):
        placement_for(10, 10, settings, SIZES, "crop")
