"""Opens an image, wherever it comes from, and decodes it to 8-bit RGB."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote_to_bytes

import numpy as np

from tyllm.runtime.images.modes import to_rgb
from tyllm.runtime.images.sizes import check_aspect_ratio
from tyllm_errors import ImageError

if TYPE_CHECKING:
    from PIL import Image
    from PIL.Image import Image as PilImage

    Source = str | Path | bytes | PilImage | np.ndarray

FORMATS = "JPEG, PNG, WebP, GIF, TIFF or BMP"  # in every Pillow that is supported
MODES = {2: "L", 3: "RGB", 4: "RGBA"}


def load_image(source: Source) -> PilImage:
    """An image as 8-bit RGB, upright.

    As Hugging Face's `load_image` does, EXIF orientation is applied, alpha is dropped (colors stay, nothing is laid
    under them), and of an animation the first frame is taken. Unlike it, 16-bit grayscale is scaled to 8 bits, where
    Pillow's conversion clips and gives a white image (`modes.py`).

    Args:
        source: a path, the bytes of a file, a `data:` URL with base64, a Pillow image, or a uint8 array [H, W]
            (grayscale), [H, W, 3] (RGB) or [H, W, 4] (RGBA).

    Raises:
        ImageError: there is no image, it is damaged, one pixel, longer than 200 times its width, or has more pixels
            than `PIL.Image.MAX_IMAGE_PIXELS`.
    """
    name = name_of(source)
    with opened(source) as image, decoding(name):
        return to_rgb(image, name)


def name_of(source: object) -> str:
    """What a message calls the image: its file's name, where it has one."""
    is_path = isinstance(source, Path) or (isinstance(source, str) and not source.startswith("data:"))
    return _shortened(Path(str(source)).name or str(source)) if is_path else "The image"


@contextmanager
def opened(source: Source) -> Iterator[PilImage]:
    """The image with its header read and its size checked, but not decoded; closed at the end, if opened here."""
    from PIL import Image

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


def _bomb(name: str, size: str) -> ImageError:
    from PIL import Image

    return ImageError(
        f"{name} is {size}, more than the {Image.MAX_IMAGE_PIXELS:,} that are decoded; scale it down, or raise "
        "PIL.Image.MAX_IMAGE_PIXELS if you trust it."
    )


def _open(source: str | Path | bytes) -> Image.Image:
    from PIL import Image, UnidentifiedImageError

    name, file = name_of(source), _file(source)
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


def _file(source: str | Path | bytes) -> Path | BytesIO:
    """What Pillow opens."""
    if isinstance(source, bytes | bytearray | memoryview):
        return _in_memory(bytes(source))
    if isinstance(source, str) and source.startswith("data:"):
        return _in_memory(_data_url(source))
    if isinstance(source, str) and re.match(r"https?://", source, re.IGNORECASE):
        raise ImageError(f"{_shortened(source)} is an address on the web; fetch it first and give the file.")
    if not isinstance(source, str | Path):
        raise ImageError(
            f"A {type(source).__name__} is no image; give a path, bytes, a data: URL, a Pillow image or an array."
        )
    return _existing(Path(source))


def _existing(path: Path) -> Path:
    try:
        is_file, exists = path.is_file(), path.exists()
    except (OSError, ValueError) as error:  # too long a name, a zero byte
        reason = getattr(error, "strerror", None) or error
        raise ImageError(f"{_shortened(str(path))} is no path of a file ({reason}); check the path.") from error
    if not exists:
        raise ImageError(f"There is no image {_shortened(str(path))}; check the path.")
    if not is_file:
        raise ImageError(f"{_shortened(str(path))} is not a file; give the path of an image.")
    return path


def _in_memory(content: bytes) -> BytesIO:
    if not content:
        raise ImageError("The image is empty, 0 bytes; give the content of an image file.")
    return BytesIO(content)


def _data_url(url: str) -> bytes:
    """The bytes in a `data:` URL (RFC 2397) with base64."""
    header, comma, content = url.partition(",")
    if not comma or not header.lower().endswith(";base64"):
        raise ImageError(
            f"The data: URL {_shortened(url)} has no base64 content; write data:image/png;base64,… and the file."
        )
    try:
        return base64.b64decode(b"".join(unquote_to_bytes(content).split()), validate=True)
    except binascii.Error as error:
        raise ImageError(f"The data: URL's content is not base64 ({error}); encode the file's bytes again.") from error


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


def _shortened(text: str) -> str:
    return text if len(text) <= 80 else f"{text[:60]}…{text[-15:]}"
