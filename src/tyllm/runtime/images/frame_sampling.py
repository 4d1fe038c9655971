"""Chooses the frames of a video that are taken, as Hugging Face's Qwen2-VL video processor takes them."""

from __future__ import annotations

import math
from numbers import Integral, Real
from typing import Any

import numpy as np

from tyllm_base.errors import ImageError

MIN_FRAMES = 4
MAX_FRAMES = 768
MOST_FRAMES = 10**9
RATES = 1e-6, 1e6
"""Least and most frames of a second; those that files say are within."""


def sample_frames(
    total: int,
    source_fps: float | None,
    fps: float | None,
    num_frames: int | None,
    max_frames: int,
    temporal_patch_size: int,
) -> list[int]:
    """Indices of the frames to take, rising.

    The arithmetic is that of `Qwen2VLVideoProcessor.sample_frames` in transformers: as many frames as asked for, made
    divisible by `temporal_patch_size`, at equal steps from the first on; with `fps` at least 4 of them. Where that
    gives none (a video shorter than a temporal patch), all frames are taken.

    Args:
        total: frames that there are.
        source_fps: frames that there are of each second.
        fps: frames to take of each second.
        num_frames: frames to take; neither: all.
        max_frames: with `fps` the most that are taken, otherwise the most that are accepted.
        temporal_patch_size: frames in a temporal patch.

    Raises:
        ImageError: no frames or too many, both `fps` and `num_frames`, a number that is not positive, more frames
            asked for than there are, or `fps` without `source_fps`.
    """
    if not total:
        raise ImageError("The video has no frames; give at least one.")
    check_rates(source_fps, fps, num_frames)
    if fps is not None and num_frames is not None:
        raise ImageError(f"Both fps={fps} and num_frames={num_frames} are given; give one of them.")
    count = _count(total, source_fps, fps, num_frames, max_frames, temporal_patch_size)
    if count > max_frames:
        raise ImageError(
            f"{count:,} frames are more than {max_frames:,}; sample the video with fps or num_frames, or cut it."
        )
    # transformers' steps are float32, which at times decides the rounding.
    return [int(index) for index in np.arange(0, total, total / count).astype(np.float32)]


def check_rates(source_fps: Any, fps: Any, num_frames: Any) -> None:
    """Raise `ImageError` for rates and numbers, of whatever type, that no video can be sampled with."""
    for name, value in (("fps", fps), ("source_fps", source_fps)):
        if value is not None and not (_is_number(value, Real) and RATES[0] <= value <= RATES[1]):
            raise ImageError(
                f"{name} is {_shown(value)}; it must be a positive number, from {RATES[0]:g} to 1,000,000."
            )
    if num_frames is not None and not (_is_number(num_frames, Integral) and 0 < num_frames <= MOST_FRAMES):
        raise ImageError(f"num_frames is {_shown(num_frames)}; it must be a positive whole number.")


def _is_number(value: object, kind: type[Real] | type[Integral]) -> bool:
    return isinstance(value, kind) and not isinstance(value, bool)


def _shown(value: object) -> str:
    """A value of the caller's, shortened; Python writes no integers of more than 4,300 digits."""
    try:
        return f"{value!r:.40}"
    except Exception:
        return f"a {type(value).__name__} that cannot be shown"


def _count(
    total: int, source_fps: float | None, fps: float | None, num_frames: int | None, most: int, multiple: int
) -> int:
    """The number of frames, before equal steps are rounded."""
    if num_frames is not None:
        if num_frames > total:
            raise ImageError(f"num_frames={num_frames} are more than the video's {total} frames; give fewer.")
        return min(total, max(multiple, round(num_frames / multiple) * multiple))
    if fps is None:
        return total
    if source_fps is None:
        raise ImageError(f"fps={fps} cannot be sampled without the video's own rate; give source_fps, too.")
    wanted = min(max(total / source_fps * fps, MIN_FRAMES), most, total)
    return math.floor(wanted / multiple) * multiple or total
