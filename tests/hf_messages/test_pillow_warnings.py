"""Pillow is silent while we read an image, and nothing else is."""

import threading
import warnings

import pytest
from PIL import Image
from tests.hostile_images import png, tiff

from hf_messages.image_file import load_image
from hf_messages.pillow_warnings import silent_pillow
from tyllm_base.errors import ImageError

GRAY = {256: (4, 1, 30), 257: (4, 1, 30), 258: (3, 1, 8), 259: (3, 1, 1), 262: (3, 1, 1), 273: (4, 1, 8),
        277: (3, 1, 1), 278: (4, 1, 30), 279: (4, 1, 900)}  # fmt: skip
ODD = tiff(1, GRAY | {700: (1, 500_000, 8)}) + bytes(900)


def warn_as_pillow():
    """A warning that comes from the module PIL.Image, as far as filters see."""
    exec("import warnings; warnings.warn('odd')", {"__name__": "PIL.Image"})


def test_an_odd_file_warns_of_nothing():
    with warnings.catch_warnings(record=True) as shown:
        warnings.simplefilter("always")
        load_image(ODD)
        with pytest.raises(ImageError, match="pixels, more than the"):
            load_image(png(12_000, 12_000))
    assert not shown
    with pytest.warns(UserWarning):
        Image.open(__import__("io").BytesIO(ODD)).load()


def test_warnings_as_errors_change_no_image():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert load_image(ODD).size == (30, 30)


def test_others_warnings_are_shown():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with silent_pillow():
            warn_as_pillow()
            with pytest.raises(UserWarning, match="mine"):
                warnings.warn("mine", stacklevel=1)
        with pytest.raises(UserWarning, match="odd"):
            warn_as_pillow()


def test_other_threads_are_left_alone():
    raised = []

    def other():
        try:
            warn_as_pillow()
        except UserWarning as error:
            raised.append(error)

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with silent_pillow():
            thread = threading.Thread(target=other)
            thread.start()
            thread.join()
    assert len(raised) == 1


def test_the_filter_is_there_once():
    for _ in range(3):
        with silent_pillow():
            pass
        warnings.filterwarnings("ignore", message="something else")
    with silent_pillow():
        pass
    assert sum(type(entry[3]).__name__ == "_OfPillow" for entry in warnings.filters) == 1
