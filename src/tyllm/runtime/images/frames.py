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
from hf_messages.image_limits import ENDINGS, MAX_FRAMES, PixelBudget, check_size, check_tiles
from hf_messages.image_modes import to_rgb
from hf_messages.image_source import is_path, local_path, name_of
from tyllm_base.errors import ImageError
from tyllm_base.system_errors import read_refusal

if TYPE_CHECKING:
    from PIL.Image import Image as PilImage

    from hf_messages.image_source import ImageSource

    Video = ImageSource | Sequence[ImageSource]

FILM = {".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".mpg", ".mpeg", ".wmv", ".flv", ".ts", ".3gp", ".ogv"}


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
    try:
        found = [path for path in folder.iterdir() if path.suffix.lower() in ENDINGS and not path.name.startswith(".")]
    except OSError as error:
        raise read_refusal(folder, error, ImageError) from error
    if not found:
        raise ImageError(f"The folder {folder} has no frames in it; put images there, numbered in their names.")
    return sorted(found, key=lambda path: (_natural(path.name), path.name))


def _natural(name: str) -> list[str | int]:
    """Digits as numbers: text and numbers alternate, so that like is compared with like."""
    return [int(part) if index % 2 else part for index, part in enumerate(re.split(r"(\d+)", name, flags=re.ASCII))]


def _several(name: str, sources: Sequence[ImageSource] | np.ndarray) -> Frames:
    def read(indices: Sequence[int]) -> Iterator[PilImage]:
        budget = PixelBudget(name)
        for index in indices:
            try:
                image = load_image(sources[index])
            except ImageError as error:
                raise ImageError(f"Frame {index + 1} of {len(sources)}: {error}") from error
            budget.take(image.width, image.height, len(indices) if not budget.taken else 0)
            yield image

    return Frames(name, len(sources), None, read)


def _animation(image: PilImage, name: str) -> Frames:
    def read(indices: Sequence[int]) -> Iterator[PilImage]:
        for index in indices:
            with decoding(f"{name}, frame {index + 1},"):
                image.seek(index)
                check_size(image.width, image.height, f"{name}, frame {index + 1},")
                frame = to_rgb(image, name)
            yield frame

    with decoding(name):
        count = _count(image, name)
        budget = PixelBudget(name)
        budget.take(image.width, image.height, count)
        return Frames(name, count, _rate(image, count), read)


def _count(image: PilImage, name: str) -> int:
    """The number of frames; each page of a TIFF has a size of its own, which is checked too."""
    if image.format != "TIFF":
        if (claimed := int(getattr(image, "n_frames", 1))) > MAX_FRAMES:
            raise ImageError(f"{name} has {claimed:,} frames, more than the {MAX_FRAMES:,} of any video; cut it.")
        return claimed
    budget, count = PixelBudget(name), 0
    while True:
        try:
            image.seek(count)
        except EOFError:
            image.seek(0)
            return count
        if count == MAX_FRAMES:
            raise ImageError(f"{name} has more than {MAX_FRAMES:,} pages; cut it.")
        check_size(image.width, image.height, f"{name}, frame {count + 1},")
        check_tiles(image, name)
        budget.take(image.width, image.height)
        count += 1


def _rate(image: PilImage, count: int) -> float | None:
    """Frames per second by the frames' durations (Pillow: milliseconds); None for a still image."""
    if count == 1 or image.format == "TIFF":  # whose pages have no duration
        return None
    durations = []
    for index in range(count):
        image.seek(index)
        image.load()  # WebP says how long a frame lasts once it is decoded
        durations.append(float(image.info.get("duration") or 0))
    shown = [duration for duration in durations if duration > 0]
    return 1000 * len(shown) / sum(shown) if shown else None
