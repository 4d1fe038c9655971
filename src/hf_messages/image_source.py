"""The source of an image: a path, a file:// or data: URL, or bytes; and what messages call it."""

from __future__ import annotations

import base64
import io
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, TypeGuard, TypeVar
from urllib.parse import unquote, unquote_to_bytes, urlsplit

from hf_messages.image_limits import MAX_BYTES, LimitedReader
from tyllm_base.errors import ImageError
from tyllm_base.regular_file import open_regular

if TYPE_CHECKING:
    import numpy as np
    from PIL.Image import Image as PilImage

    ImageSource = str | Path | bytes | PilImage | np.ndarray

FILE = "file://"
DATA = "data:"
T = TypeVar("T")


def local_path(source: T) -> T | str:
    """The path that a file:// address names (RFC 8089), unquoted; anything else as it is; raises `ImageError`."""
    if not isinstance(source, str) or not source.startswith(FILE):
        return source
    try:
        address = urlsplit(source)
    except ValueError as error:
        raise ImageError(f"{shortened(source)} is no address of a file ({error}); give its path.") from error
    host = "" if address.netloc == "localhost" else address.netloc
    return unquote(host + address.path)


def is_path(source: object) -> TypeGuard[str | Path]:
    """Whether it is the path of a file, or a file:// address, and not the content of one."""
    return isinstance(source, Path) or (isinstance(source, str) and not source.startswith(DATA))


def name_of(source: object) -> str:
    """The name of an image for a message: its file's name, where it has one."""
    path = str(local_path(source))
    return shortened(Path(path).name or path) if is_path(source) else "The image"


def file_of(source: str | Path | bytes) -> LimitedReader:
    """The image's file, or the content of one, open for Pillow; raises `ImageError`."""
    if isinstance(source, bytes | bytearray | memoryview):
        return _in_memory(bytes(source))
    if isinstance(source, str) and source.startswith(DATA):
        return _in_memory(_data_url(source))
    if isinstance(source, str) and re.match(r"https?://", source, re.IGNORECASE):
        raise ImageError(f"{shortened(source)} is an address on the web; fetch it first and give the file.")
    if not isinstance(source, str | Path):
        raise ImageError(
            f"A {type(source).__name__} is no image; give a path, bytes, a data: URL, a Pillow image or an array."
        )
    return _opened(Path(local_path(source)))


def shortened(text: str) -> str:
    """At most 80 characters of a text: its beginning and its end."""
    return text if len(text) <= 80 else f"{text[:60]}…{text[-15:]}"


def _opened(path: Path) -> LimitedReader:
    try:
        exists = path.exists()
    except (OSError, ValueError) as error:  # too long a name, a zero byte
        reason = getattr(error, "strerror", None) or error
        raise ImageError(f"{shortened(str(path))} is no path of a file ({reason}); check the path.") from error
    if not exists:
        raise ImageError(f"There is no image {shortened(str(path))}; check the path.")
    descriptor = open_regular(path, ImageError, "give the path of an image")
    size = os.fstat(descriptor).st_size
    if size > MAX_BYTES:
        os.close(descriptor)
        raise _too_long(name_of(path), size)
    return LimitedReader(io.FileIO(descriptor), size)


def _in_memory(content: bytes) -> LimitedReader:
    if not content:
        raise ImageError("The image is empty, 0 bytes; give the content of an image file.")
    if len(content) > MAX_BYTES:
        raise _too_long("The image", len(content))
    return LimitedReader(io.BytesIO(content), len(content))


def _too_long(name: str, size: int) -> ImageError:
    return ImageError(f"{name} has {size:,} bytes, more than the {MAX_BYTES:,} of any image; scale it down.")


def _data_url(url: str) -> bytes:
    """The bytes in a `data:` URL (RFC 2397) with base64."""
    header, comma, content = url.partition(",")
    if not comma or not header.lower().endswith(";base64"):
        raise ImageError(
            f"The data: URL {shortened(url)} has no base64 content; write data:image/png;base64,… and the file."
        )
    if len(content) > 2 * MAX_BYTES:
        raise _too_long("The data: URL", len(content))
    try:
        return base64.b64decode(b"".join(unquote_to_bytes(content).split()), validate=True)
    except ValueError as error:  # no base64; half of a surrogate pair
        raise ImageError(f"The data: URL's content is not base64 ({error}); encode the file's bytes again.") from error
