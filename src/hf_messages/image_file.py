"""Opens an image, wherever it comes from, and decodes it to 8-bit RGB."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from hf_messages.image_modes import to_rgb
from hf_messages.image_source import file_of, name_of
from tyllm_base.errors import ImageError

if TYPE_CHECKING:
    from PIL.Image import Image as PilImage

    from hf_messages.image_source import ImageSource

FORMATS = "JPEG, PNG, WebP, GIF, TIFF or BMP"  # in every Pillow that is supported
MODES = {2: "L", 3: "RGB", 4: "RGBA"}
MAX_ASPECT_RATIO = 200  # transformers refuses longer images


def load_image(source: ImageSource) -> PilImage:
    """An image as 8-bit RGB, upright.

    As Hugging Face's `load_image` does, EXIF orientation is applied, alpha is dropped (colors stay, nothing is laid
    under them), and of an animation the first frame is taken. Unlike it, 16-bit grayscale is scaled to 8 bits, where
    Pillow's conversion clips and gives a white image (`image_modes.py`).

    Args:
        source: a path, a file:// address, the bytes of a file, a `data:` URL with base64, a Pillow image, or a uint8
            array [H, W] (grayscale), [H, W, 3] (RGB) or [H, W, 4] (RGBA).

    Raises:
        ImageError: there is no image, it is damaged, one pixel, longer than 200 times its width, or has more pixels
            than `PIL.Image.MAX_IMAGE_PIXELS`; or Pillow is not installed.
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
        yield source
    elif isinstance(source, np.ndarray):
        yield _from_array(source)
    else:
        with _open(source) as image:
            check_size(image.width, image.height, name_of(source))
            yield image


@contextmanager
def decoding(name: str) -> Iterator[None]:
    """Whatever Pillow's decoders raise, of any class, becomes a sentence."""
    try:
        yield
    except ImageError:
        raise
    except Exception as error:
        raise ImageError(
            f"{name} is damaged or truncated and cannot be decoded ({error}); fetch or save it again."
        ) from error


def check_size(width: int, height: int, name: str) -> None:
    """Refuses what cannot be seen or would fill the memory."""
    from PIL import Image

    if width < 1 or height < 1:
        raise ImageError(f"{name} is {width}×{height}, which is empty; give an image with pixels.")
    if width == height == 1:
        raise ImageError(f"{name} is 1×1, a single pixel that shows nothing; give a larger image.")
    if Image.MAX_IMAGE_PIXELS is not None and width * height > Image.MAX_IMAGE_PIXELS:
        raise _bomb(name, f"{width}×{height}, {width * height:,} pixels")
    check_aspect_ratio(height, width, name)


def check_aspect_ratio(height: int, width: int, name: str = "The image") -> None:
    """Refuses images that transformers refuses."""
    if max(height, width) > MAX_ASPECT_RATIO * min(height, width):
        raise ImageError(
            f"{name} is {width}×{height}, one side more than {MAX_ASPECT_RATIO} times the other; crop it or cut it up."
        )


def _bomb(name: str, size: str) -> ImageError:
    from PIL import Image

    return ImageError(
        f"{name} is {size}, more than the {Image.MAX_IMAGE_PIXELS:,} that are decoded; scale it down, or raise "
        "PIL.Image.MAX_IMAGE_PIXELS if you trust it."
    )


def _open(source: str | Path | bytes) -> PilImage:
    from PIL import Image, UnidentifiedImageError

    name, file = name_of(source), file_of(source)
    try:
        return Image.open(file)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        pixels = re.search(r"\d+", str(error))
        raise _bomb(name, f"{int(pixels[0]):,} pixels" if pixels else "very large") from error
    except UnidentifiedImageError as error:
        raise ImageError(f"{name} is not an image that can be read; save it as {FORMATS}.") from error
    except OSError as error:
        raise ImageError(f"{name} cannot be read ({error.strerror or error}); check the file.") from error
    except Exception as error:  # a header so damaged that a plugin stumbles
        raise ImageError(f"{name} is damaged ({error}); save it again as {FORMATS}.") from error


def _from_array(array: np.ndarray) -> PilImage:
    from PIL import Image

    channels = array.shape[2] if array.ndim == 3 else array.ndim
    if array.dtype != np.uint8:
        nan = " with NaN in it" if array.dtype.kind == "f" and np.isnan(array).any() else ""
        raise ImageError(f"The array is {array.dtype}{nan}; give uint8 values from 0 to 255.")
    if channels not in MODES or array.ndim not in (2, 3) or (array.ndim == 3 and channels == 2):
        raise ImageError(f"The array's shape is {array.shape}; give [H, W], [H, W, 3] or [H, W, 4].")
    check_size(array.shape[1], array.shape[0], "The array")
    return Image.fromarray(array)
