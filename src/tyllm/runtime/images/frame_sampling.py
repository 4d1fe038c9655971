"""Chooses the frames of a video that are taken, as Hugging Face's Qwen2-VL video processor takes them."""

from __future__ import annotations

import math
from numbers import Real

import numpy as np

from tyllm_base.errors import ImageError

MIN_FRAMES = 4
MAX_FRAMES = 768


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
    for name, value in (("fps", fps), ("num_frames", num_frames), ("source_fps", source_fps)):
        if value is not None and not (isinstance(value, Real) and math.isfinite(value) and value > 0):
            raise ImageError(f"{name} is {value}; it must be a positive number.")
    if fps is not None and num_frames is not None:
        raise ImageError(f"Both fps={fps} and num_frames={num_frames} are given; give one of them.")
    count = _count(total, source_fps, fps, num_frames, max_frames, temporal_patch_size)
    if count > max_frames:
        raise ImageError(
            f"{count:,} frames are more than {max_frames:,}; sample the video with fps or num_frames, or cut it."
        )
    # transformers' steps are float32, which at times decides the rounding.
    return [int(index) for index in np.arange(0, total, total / count).astype(np.float32)]


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
