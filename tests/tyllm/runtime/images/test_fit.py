"""A fitted image is Hugging Face's where it can be, and says what was done where it cannot."""

import numpy as np
import pytest
from PIL import Image

from tyllm.runtime.images import fit_image
from tyllm_base.errors import ImageError, SettingError

SIZES = ((540, 960), (448, 768))


@pytest.mark.parametrize(("height", "width"), [(540, 960), (519, 965), (448, 768)])
def test_a_compiled_grid_is_hugging_faces_to_the_byte(draw, hugging_face, settings, height, width):
    image = draw(height, width)
    fitted = fit_image(image, settings, SIZES)
    theirs, grid = hugging_face(image)
    assert fitted.grid == grid
    assert fitted.patches[0].tobytes() == theirs.tobytes()
    assert (fitted.how, fitted.message, fitted.seconds_per_grid) == ("as Hugging Face", None, None)


def test_the_manuals_shape(draw, settings):
    fitted = fit_image(draw(540, 960), settings, SIZES)
    assert fitted.patches.shape == (1, 2584, 1176)
    assert (fitted.grid, fitted.tokens) == ((1, 38, 68), 646)


@pytest.mark.parametrize("fit", ["pad", "resize"])
def test_what_is_not_padded_is_the_stretched_image(draw, hugging_face, settings, fit):
    image = draw(1080, 1920)
    fitted = fit_image(image, settings, ((540, 960),), fit)
    theirs, _ = hugging_face(image.resize((952, 532), Image.Resampling.BICUBIC))
    assert np.array_equal(fitted.patches[0], theirs)
    assert fitted.message == "The image is 1920×1080; resized to 952×532, the nearest compiled size."


def test_a_padded_image_says_so(tmp_path, draw, hugging_face, settings):
    draw(768, 1024).save(tmp_path / "photo.png")
    fitted = fit_image(tmp_path / "photo.png", settings, SIZES[:1])
    assert fitted.message == (
        "photo.png is 1024×768; scaled to 709×532 and padded to 952×532, the nearest compiled size."
    )
    assert (fitted.original_size, fitted.compiled_size, fitted.how) == ((768, 1024), (532, 952), "padded")
    theirs, _ = hugging_face(draw(768, 1024).resize((709, 532), 3).crop((0, 0, 952, 532)))
    rows = fitted.patches.reshape(19, 34, -1)
    their_rows = theirs.reshape(19, 34, -1)
    assert np.array_equal(rows[:, :25], their_rows[:, :25])  # 25 tokens of 28 columns: 700 of the 709
    assert (rows[:, 26:] == 0).all()
    assert 0 < np.count_nonzero(rows[:, 25]) < rows[:, 25].size


def test_an_upright_photo_is_measured_upright(draw, settings):
    image = draw(60, 90)
    image.getexif()[0x0112] = 6
    assert fit_image(image, settings, SIZES).original_size == (90, 60)


def test_digests_tell_inputs_apart(draw, settings):
    sizes = ((56, 84), (84, 56))
    first, again = (fit_image(draw(56, 84), settings, sizes).digest for _ in range(2))
    assert first == again
    assert len(first) == 64
    assert fit_image(draw(56, 84, seed=1), settings, sizes).digest != first
    flat = [fit_image(Image.new("RGB", size), settings, sizes) for size in ((84, 56), (56, 84))]
    assert np.array_equal(flat[0].patches, flat[1].patches)
    assert flat[0].digest != flat[1].digest


def test_the_patches_of_a_small_change_differ_where_it_is(draw, settings):
    image = draw(56, 84)
    before = fit_image(image, settings, ((56, 84),)).patches[0]
    image.putpixel((30, 0), (0, 0, 0))  # token 1 of the first row, its first patch, third column
    after = fit_image(image, settings, ((56, 84),)).patches[0]
    patch, value = np.nonzero(before != after)
    assert set(patch) == {4}
    assert {int(place) % 196 for place in value} == {2}


def test_errors_pass_through(settings):
    with pytest.raises(ImageError, match="1×1"):
        fit_image(Image.new("RGB", (1, 1)), settings, SIZES)
    with pytest.raises(SettingError, match="no image size"):
        fit_image(Image.new("RGB", (9, 9)), settings, ())
