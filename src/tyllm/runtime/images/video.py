"""A video to temporal patches, a few frames each, that the vision tower takes one after the other."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain, islice
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from tyllm.runtime.images.fit import Fitted, fitted
from tyllm.runtime.images.frame_sampling import MAX_FRAMES, check_rates, sample_frames
from tyllm.runtime.images.frames import Frames, open_frames
from tyllm.runtime.images.patches import patchify, resized
from tyllm.runtime.images.preprocessor_config import ImageSettings
from tyllm.runtime.images.sizes import Fit, Placement, Size, placement_for
from tyllm_base.errors import ImageError

if TYPE_CHECKING:
    from PIL.Image import Image as Image

    from tyllm.runtime.images.frames import Video

UNKNOWN_FPS = 24.0  # what transformers assumes of frames that come without a rate


def fit_video(
    source: Video,
    settings: ImageSettings,
    sizes: Sequence[Size],
    fit: Fit = "pad",
    *,
    fps: float | None = None,
    num_frames: int | None = None,
    source_fps: float | None = None,
    max_frames: int = MAX_FRAMES,
    max_tokens: int | None = None,
) -> Fitted:
    """A video, all its frames fitted alike to one of the compiled sizes by the rule of `sizes.placement_for`.

    Args:
        source: frames (each anything that `load_image` takes, or an array [T, H, W, 3]), a folder of frames in the
            natural order of their names, or a GIF, WebP, PNG or TIFF with several frames.
        settings: the model's.
        sizes: sizes (height, width) as they were asked for when compiling.
        fit: "pad" or "resize".
        fps: take so many frames of each second (`frame_sampling.sample_frames`).
        num_frames: take so many frames, evenly spaced; all are taken where neither is given.
        source_fps: frames per second of `source`; animations know theirs. Where nothing is known, 24.
        max_frames: more frames than that are refused, once sampled.
        max_tokens: a video of more is refused once its first frame is decoded.

    Returns:
        patches [t, n, patch_values], where the last frame is repeated to fill the last temporal patch;
        `seconds_per_grid` is temporal_patch_size by the frames per second that were taken.

    Raises:
        ImageError: no frames, too many, frames of different sizes, a frame that is no image, or bad sampling.
        SettingError: no size, or an unknown `fit`.
    """
    check_rates(source_fps, fps, num_frames)
    with open_frames(source) as frames:
        rate = source_fps if source_fps is not None else frames.fps
        taken = sample_frames(frames.count, rate, fps, num_frames, max_frames, settings.temporal_patch_size)
        original, placement, patches = _temporal_patches(frames, taken, settings, sizes, fit, max_tokens)
        name = frames.name if len(taken) == frames.count else f"{frames.name} ({len(taken)} of {frames.count} frames)"
    taken_fps = len(taken) / frames.count * rate if rate else UNKNOWN_FPS
    return fitted(patches, original, placement, settings, name, settings.temporal_patch_size / taken_fps)


def _temporal_patches(
    frames: Frames,
    taken: Sequence[int],
    settings: ImageSettings,
    sizes: Sequence[Size],
    fit: Fit,
    max_tokens: int | None,
) -> tuple[Size, Placement, NDArray[np.float32]]:
    """The frames' size, where they go, and their patches [t, n, patch_values]; one frame at a time is held decoded."""
    images = _alike(frames, taken)
    first = next(images)
    original = first.height, first.width
    placement = placement_for(*original, settings, sizes, fit)
    pixels = (resized(image, placement.scaled, settings) for image in chain([first], images))
    times = settings.temporal_patch_size
    n = placement.compiled[0] * placement.compiled[1] // settings.patch_size**2
    count = -(-len(taken) // times)
    _check_tokens(frames.name, len(taken), count * n // settings.merge_size**2, max_tokens)
    patches = np.empty((count, n, settings.patch_values), np.float32)
    for patch in patches:
        together = list(islice(pixels, times))
        together += [together[-1]] * (times - len(together))
        patch[:] = patchify(together, placement.compiled, settings)
    return original, placement, patches


def _check_tokens(name: str, frames: int, tokens: int, most: int | None) -> None:
    if most is not None and tokens > most:
        raise ImageError(
            f"{name} becomes {tokens:,} tokens with {frames:,} frames, more than the {most:,} that the cache holds; "
            "take fewer frames with fps or num_frames, or compile the model with a larger max_kv_cache_size."
        )


def _alike(frames: Frames, taken: Sequence[int]) -> Iterator[Image]:
    """The frames that are taken, in order.

    Raises:
        ImageError: one has another size than the first.
    """
    size: tuple[int, int] | None = None
    for index, image in zip(taken, frames.read(taken), strict=True):
        size = size or image.size
        if image.size != size:
            raise ImageError(
                f"{frames.name} has frame {index + 1} of {image.width}×{image.height} after a first of "
                f"{size[0]}×{size[1]}; give frames of one size."
            )
        yield image
