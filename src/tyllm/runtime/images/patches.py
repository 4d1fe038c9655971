"""Pixels to the patches that the vision tower reads, ordered and normalized as by Hugging Face's Qwen2-VL processor."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from tyllm.runtime.images.preprocessor_config import ImageSettings
from tyllm.runtime.images.sizes import Size, smart_resize

if TYPE_CHECKING:
    from PIL.Image import Image as PilImage

Grid = tuple[int, int, int]  # temporal patches, rows of patches, columns of patches


def image_patches(image: PilImage, settings: ImageSettings) -> tuple[NDArray[np.float32], Grid]:
    """The patches of an RGB image, float32 [n, patch_values], and its grid (1, h, w), as Hugging Face's processor."""
    size = smart_resize(image.height, image.width, settings)
    pixels = resized(image, size, settings)
    rows = patchify([pixels] * settings.temporal_patch_size, size, settings)
    return rows, (1, size[0] // settings.patch_size, size[1] // settings.patch_size)


def resized(image: PilImage, size: Size, settings: ImageSettings) -> NDArray[np.uint8]:
    """The pixels [H, W, 3] of an RGB image scaled to (H, W), by Pillow as in Hugging Face."""
    from PIL import Image

    height, width = size
    return np.asarray(image.resize((width, height), Image.Resampling(settings.resample)))


def patchify(frames: Sequence[NDArray[np.uint8]], size: Size, settings: ImageSettings) -> NDArray[np.float32]:
    """One temporal patch: normalized, padded with zeros (the mean color) to `size`, cut into patches.

    Patches lie in the order of tokens: merge_size × merge_size patches that become one token follow each other. Within
    a patch: color, frame, row, column.

    Args:
        frames: `temporal_patch_size` frames, uint8 [h, w, 3], none larger than `size`.
        size: (height, width), multiples of `settings.factor`.
        settings: the model's.

    Returns:
        float32 [height · width / patch_size², patch_values].
    """
    patch, merge, times = settings.patch_size, settings.merge_size, settings.temporal_patch_size
    rows, columns = size[0] // settings.factor, size[1] // settings.factor
    out = np.empty((rows, columns, merge, merge, 3, times, patch, patch), np.float32)
    for time, frame in enumerate(frames):
        if time and frame is frames[time - 1]:  # a still image, or a repeated last frame
            out[:, :, :, :, :, time] = out[:, :, :, :, :, time - 1]
            continue
        planes = _normalized(frame, size, settings).reshape(3, rows, merge, patch, columns, merge, patch)
        out[:, :, :, :, :, time] = planes.transpose(1, 4, 2, 5, 0, 3, 6)
    return out.reshape(-1, settings.patch_values)


def _normalized(frame: NDArray[np.uint8], size: Size, settings: ImageSettings) -> NDArray[np.float32]:
    """float32 [3, H, W] of a frame uint8 [h, w, 3]; zeros where it does not reach."""
    height, width = frame.shape[:2]
    planes = np.zeros((3, *size), np.float32)
    for plane, values, channel in zip(planes, normalization_table(settings), np.moveaxis(frame, 2, 0), strict=True):
        plane[:height, :width] = values[channel]
    return planes


@lru_cache(maxsize=8)
def normalization_table(settings: ImageSettings) -> NDArray[np.float32]:
    """float32 [3, 256]: the normalized value of each color's byte, rounded on the way as transformers rounds it."""
    rescaled = (np.arange(256, dtype=np.float64) * settings.rescale_factor).astype(np.float32)
    mean, std = (np.array(values, np.float32)[:, None] for values in (settings.image_mean, settings.image_std))
    normalized: NDArray[np.float32] = (rescaled - mean) / std
    return normalized
