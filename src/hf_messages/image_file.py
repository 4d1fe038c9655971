"""Opens an image, wherever it comes from, and decodes it to 8-bit RGB."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from hf_messages.image_limits import FORMATS, SHOWN, check_format, check_size, check_work, load_plugins, too_large
from hf_messages.image_modes import to_rgb
from hf_messages.image_source import file_of, name_of
from hf_messages.pillow_warnings import silent_pillow
from tyllm_base.errors import ImageError

if TYPE_CHECKING:
    from PIL.Image import Image as PilImage

    from hf_messages.image_source import ImageSource

MODES = {2: "L", 3: "RGB", 4: "RGBA"}


def load_image(source: ImageSource) -> PilImage:
    """An image as 8-bit RGB, upright.

    As Hugging Face's `load_image` does, EXIF orientation is applied, alpha is dropped (colors stay, nothing is laid
    under them), and of an animation the first frame is taken. Unlike it, 16-bit grayscale is scaled to 8 bits, where
    Pillow's conversion clips and gives a white image (`image_modes.py`).

    Args:
        source: a path, a file:// address, the bytes of a file, a `data:` URL with base64, a Pillow image, or a uint8
            array [H, W] (grayscale), [H, W, 3] (RGB) or [H, W, 4] (RGBA).

    Raises:
        ImageError: there is no image, it is damaged, one pixel, longer than 200 times its width, has more pixels than
            `PIL.Image.MAX_IMAGE_PIXELS`, or is of none of the formats of `image_limits`; or Pillow is not installed.
    """
    name = name_of(source)
    with opened(source) as image, decoding(name):
        return to_rgb(image, name)


@contextmanager
def opened(source: ImageSource) -> Iterator[PilImage]:
    """The image with its header read and its size checked, but not decoded; closed at the end, if opened here."""
    try:
        from PIL import Image
    except ImportError:
        raise ImageError("An image needs Pillow, which is not installed; run 'pip install pillow'.") from None

    if isinstance(source, Image.Image):
        check_size(source.width, source.height, name_of(source))
        check_format(source, name_of(source))
        yield source
    elif isinstance(source, np.ndarray):
        yield _from_array(source)
    else:
        with _open(source) as image:
            yield image


@contextmanager
def decoding(name: str, unknown: str = "", cure: str = "fetch or save it again") -> Iterator[None]:
    """Whatever Pillow raises, of any class, becomes a sentence; `unknown` begins that of a format it does not know."""
    from PIL import Image, UnidentifiedImageError

    try:
        with silent_pillow():
            yield
    except ImageError:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        pixels = re.search(r"\d+", str(error))
        raise too_large(name, f"{int(pixels[0]):,} pixels" if pixels else "very large") from error
    except UnidentifiedImageError as error:
        raise ImageError(f"{unknown or f'{name} is damaged'}; {cure}.") from error
    except MemoryError as error:
        raise ImageError(f"{name} does not fit into the memory that is left; scale it down.") from error
    except Exception as error:
        raise ImageError(
            f"{name} is damaged or truncated and cannot be decoded ({str(error) or type(error).__name__:.200}); {cure}."
        ) from error


def _open(source: str | Path | bytes) -> PilImage:
    """The image whose header is read; Pillow closes its file with it."""
    from PIL import Image

    name = name_of(source)
    file = file_of(source)
    try:
        with decoding(name, f"{name} is not an image that can be read", f"save it as {SHOWN}"):
            load_plugins()
            image = Image.open(file, formats=FORMATS)
            image._exclusive_fp = True  # closes it with the image
            check_size(image.width, image.height, name)
            check_work(image, file, name)
    except BaseException:
        file.close()
        raise
    return image


def _from_array(array: np.ndarray) -> PilImage:
    from PIL import Image

    channels = array.shape[2] if array.ndim == 3 else array.ndim
    if array.dtype != np.uint8:
        nan = " with NaN in it" if array.dtype.kind == "f" and np.isnan(array).any() else ""
        raise ImageError(f"The array is {array.dtype}{nan}; give uint8 values from 0 to 255.")
    if channels not in MODES or array.ndim not in (2, 3) or (array.ndim == 3 and channels == 2):
        raise ImageError(f"The array's shape is {array.shape}; give [H, W], [H, W, 3] or [H, W, 4].")
    check_size(array.shape[1], array.shape[0], "The array")
    with decoding("The array"):
        return Image.fromarray(array)
