"""What an image may be before it is decoded: its format, and how much work it makes, counted in pixels.

Decoding takes about as long as there are pixels, so a bound of pixels is a bound of time: one image has at most
`PIL.Image.MAX_IMAGE_PIXELS` (89 million), decoded once, or sixteen times where a JPEG brings them in many scans; all
frames of a video together have at most eight times that.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from importlib import import_module
from typing import IO, TYPE_CHECKING

from tyllm_base.errors import ImageError

if TYPE_CHECKING:
    from PIL.Image import Image as PilImage

FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF")
"""Pillow's names of the formats that are opened: those that cameras, browsers and scanners write and that every Pillow
reads. Others run programs (EPS: Ghostscript), are read by Python pixel by pixel, or have decoders that few look at."""
SHOWN = "JPEG, PNG, WebP, GIF, BMP or TIFF"
PLUGINS = ("Jpeg", "Png", "WebP", "Gif", "Bmp", "Tiff")
ENDINGS = {".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".apng", ".webp", ".gif", ".bmp", ".dib", ".tif", ".tiff"}
MPO = "MPO"  # what Pillow calls a JPEG with a second image behind it, as phones write them
MAX_ASPECT_RATIO = 200  # transformers refuses longer images
MAX_BYTES = 1 << 29  # of a file; the largest image in 16 bits has as many
MAX_SCANS = 16  # times that a JPEG's coefficients are gone through; progressive ones have about 10 scans
MIN_READS = 200_000  # that a file may take, with one more for each 32 bytes; a GIF's frames take one for each 42, and a
BYTES_PER_READ = 32  # plugin that walks through empty parts of 12 bytes takes a second for 300,000
READ_TIMES = 8  # that a file is read at most: sizes, durations and pixels of an animation take five
MAX_FRAMES = 3_000  # of a file; Pillow's search for circles of TIFF's pages takes the square of their number
IMAGES_OF_FRAMES = 8  # times the limit of one image, for all frames of a video: 345 frames of 1920×1080
START_OF_SCAN = b"\xff\xda"
TILE_SIDES = (322, 323)  # TIFF's tags
BLOCK = 1 << 20


class LimitedReader(io.BufferedReader):
    """A file that is not read for ever: Pillow's plugins walk through as many parts as a file says that it has."""

    def __init__(self, raw: io.RawIOBase | io.BytesIO, size: int) -> None:
        """Allow a number of reads, and so many bytes as `READ_TIMES` the file's size, and a few blocks."""
        super().__init__(raw)
        self._reads = MIN_READS + size // BYTES_PER_READ
        self._bytes = READ_TIMES * size + 64 * BLOCK

    def read(self, size: int | None = -1, /) -> bytes:
        """As of any file; raises `OSError` where there were too many."""
        content = super().read(size)
        self._reads, self._bytes = self._reads - 1, self._bytes - len(content)
        if self._reads < 0 or self._bytes < 0:
            raise OSError("its parts are too many")
        return content


def load_plugins() -> None:
    """Load Pillow's plugins for `FORMATS` and no others, which it would do at the first file that it does not know."""
    for plugin in PLUGINS:
        import_module(f"PIL.{plugin}ImagePlugin")


def check_format(image: PilImage, name: str) -> None:
    """Refuse an image that a caller opened and Pillow has still to decode, where its format is none of `FORMATS`."""
    if getattr(image, "tile", None) and getattr(image, "format", None) not in (None, MPO, *FORMATS):
        raise ImageError(
            f"{name} is of the format {image.format}, which is not decoded here; call its load() first if you trust "
            f"it, or save it as {SHOWN}."
        )


def check_size(width: int, height: int, name: str) -> None:
    """Refuse what cannot be seen or would fill the memory."""
    from PIL import Image

    if width < 1 or height < 1:
        raise ImageError(f"{name} is {width}×{height}, which is empty; give an image with pixels.")
    if width == height == 1:
        raise ImageError(f"{name} is 1×1, a single pixel that shows nothing; give a larger image.")
    if Image.MAX_IMAGE_PIXELS is not None and width * height > Image.MAX_IMAGE_PIXELS:
        raise too_large(name, f"{width}×{height}, {width * height:,} pixels")
    check_aspect_ratio(height, width, name)


def check_aspect_ratio(height: int, width: int, name: str = "The image") -> None:
    """Refuse images that transformers refuses."""
    if max(height, width) > MAX_ASPECT_RATIO * min(height, width):
        raise ImageError(
            f"{name} is {width}×{height}, one side more than {MAX_ASPECT_RATIO} times the other; crop it or cut it up."
        )


def too_large(name: str, size: str) -> ImageError:
    """The error of an image with too many pixels."""
    from PIL import Image

    return ImageError(
        f"{name} is {size}, more than the {Image.MAX_IMAGE_PIXELS:,} that are decoded; scale it down, or raise "
        "PIL.Image.MAX_IMAGE_PIXELS if you trust it."
    )


def check_work(image: PilImage, file: IO[bytes], name: str) -> None:
    """Refuse a file whose header promises more work than its pixels do; the file's place stays as it is."""
    from PIL import Image

    most = Image.MAX_IMAGE_PIXELS
    if most is None:
        return
    check_tiles(image, name)
    if image.format in ("JPEG", MPO, "TIFF"):
        scans = _count(file, START_OF_SCAN)
        if scans > MAX_SCANS and scans * image.width * image.height > MAX_SCANS * most:
            raise ImageError(
                f"{name} is {image.width}×{image.height} in {scans:,} scans, more than cameras write; save it again."
            )


def check_tiles(image: PilImage, name: str) -> None:
    """Refuse a TIFF whose tiles, which are decoded whole, are larger than an image may be."""
    from PIL import Image

    tags = getattr(image, "tag_v2", None)
    sides = [tags.get(tag) for tag in TILE_SIDES] if tags is not None else []
    if not sides or None in sides or Image.MAX_IMAGE_PIXELS is None:
        return
    across, down = sides
    if not (isinstance(across, int) and isinstance(down, int) and 0 < across * down <= Image.MAX_IMAGE_PIXELS):
        raise ImageError(f"{name} has tiles of {across}×{down} pixels, larger than an image may be; save it again.")


def _count(file: IO[bytes], wanted: bytes) -> int:
    """How often two bytes follow each other in a file."""
    place = file.tell()
    file.seek(0)
    found, last = 0, b""
    while block := file.read(BLOCK):
        found += (last + block).count(wanted)
        last = block[-1:]
    file.seek(place)
    return found


@dataclass
class PixelBudget:
    """Pixels that may still be decoded of a video; `name` is the video's."""

    name: str
    taken: int = 0

    def take(self, width: int, height: int, frames: int = 1) -> None:
        """Count frames that will be decoded; raises `ImageError` where they are too many."""
        from PIL import Image

        self.taken += width * height * frames
        most = Image.MAX_IMAGE_PIXELS
        if most is not None and self.taken > IMAGES_OF_FRAMES * most:
            of = f"{frames:,} frames" if frames > 1 else "frames"
            raise ImageError(
                f"{self.name} has {of} of {width}×{height}, {self.taken:,} pixels and more than the "
                f"{IMAGES_OF_FRAMES * most:,} that are decoded; cut it or scale it down."
            )
