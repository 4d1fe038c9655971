"""The frames of a video: a sequence, a folder, or one file with several frames."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, cast

import numpy as np

from hf_messages.image_file import decoding, load_image, opened
from hf_messages.image_modes import to_rgb
from hf_messages.image_source import is_path, local_path, name_of
from tyllm_base.errors import ImageError

if TYPE_CHECKING:
    from PIL.Image import Image as PilImage

    from hf_messages.image_source import ImageSource

    Video = ImageSource | Sequence[ImageSource]

FILM = {".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".mpg", ".mpeg", ".wmv", ".flv", ".ts", ".3gp", ".ogv"}

IMAGES_OF_PIXELS = 32  # times the limit for one image: 1,380 frames of 1920×1080


@dataclass(frozen=True)
class Frames:
    """`count` frames; `read` decodes those of rising indices one by one. `fps` is None where nothing says it."""

    name: str
    count: int
    fps: float | None
    read: Callable[[Sequence[int]], Iterator[PilImage]]


@contextmanager
def open_frames(source: Video) -> Iterator[Frames]:
    """The frames of a video, open while the context is.

    Raises:
        ImageError: a film such as MP4, a folder without images, or what `load_image` refuses.
    """
    if is_path(source):
        path = Path(local_path(source))
        if path.suffix.lower() in FILM:
            raise _film(path)
        if path.is_dir():
            yield _several(f"The video {path.name}", _images_in(path))
            return
    if isinstance(source, list | tuple) or (isinstance(source, np.ndarray) and source.ndim == 4):
        yield _several("The video", source)
        return
    with opened(cast("ImageSource", source)) as image:
        yield _animation(image, name_of(source).replace("The image", "The video"))


def _film(path: Path) -> ImageError:
    folder = path.stem or "frames"
    return ImageError(
        f"{path.name} is a film, which is not decoded here; take its frames with `mkdir {folder} && ffmpeg -i "
        f"{path.name} -vf fps=2 {folder}/%05d.jpg` and give the folder (with source_fps=2), or give a GIF, WebP, PNG "
        "or TIFF with several frames."
    )


def _images_in(folder: Path) -> list[Path]:
    """The image files in a folder, frame2 before frame10."""
    from PIL import Image

    endings = Image.registered_extensions()
    found = [path for path in folder.iterdir() if path.suffix.lower() in endings and not path.name.startswith(".")]
    if not found:
        raise ImageError(f"The folder {folder} has no frames in it; put images there, numbered in their names.")
    return sorted(found, key=lambda path: (_natural(path.name), path.name))


def _natural(name: str) -> list[str | int]:
    """Digits as numbers: text and numbers alternate, so that like is compared with like."""
    return [int(part) if index % 2 else part for index, part in enumerate(re.split(r"(\d+)", name, flags=re.ASCII))]


def _several(name: str, sources: Sequence[ImageSource] | np.ndarray) -> Frames:
    def read(indices: Sequence[int]) -> Iterator[PilImage]:
        for index in indices:
            try:
                yield load_image(sources[index])
            except ImageError as error:
                raise ImageError(f"Frame {index + 1} of {len(sources)}: {error}") from error

    return Frames(name, len(sources), None, read)


def _animation(image: PilImage, name: str) -> Frames:
    def read(indices: Sequence[int]) -> Iterator[PilImage]:
        for index in indices:
            with decoding(f"{name}, frame {index + 1},"):
                image.seek(index)
                frame = to_rgb(image, name)
            yield frame

    with decoding(name):
        count = getattr(image, "n_frames", 1)
        _check_work(image, count, name)
        return Frames(name, count, _rate(image, count), read)


def _check_work(image: PilImage, count: int, name: str) -> None:
    """Refuses small files that take minutes to decode."""
    from PIL import Image

    pixels = count * image.width * image.height
    if Image.MAX_IMAGE_PIXELS is not None and pixels > IMAGES_OF_PIXELS * Image.MAX_IMAGE_PIXELS:
        raise ImageError(
            f"{name} has {count:,} frames of {image.width}×{image.height}, {pixels:,} pixels, more than the "
            f"{IMAGES_OF_PIXELS * Image.MAX_IMAGE_PIXELS:,} that are decoded; cut it or scale it down."
        )


def _rate(image: PilImage, count: int) -> float | None:
    """Frames per second by the frames' durations (Pillow: milliseconds); None for a still image."""
    durations = []
    for index in range(count):
        image.seek(index)
        image.load()  # WebP says how long a frame lasts once it is decoded
        durations.append(float(image.info.get("duration") or 0))
    shown = [duration for duration in durations if duration > 0]
    return 1000 * len(shown) / sum(shown) if shown and count > 1 else None
