"""Any of Pillow's pixel formats to 8-bit RGB."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tyllm_base.errors import ImageError

if TYPE_CHECKING:
    from PIL.Image import Image as PilImage

SIXTEEN_BIT = ("I;16", "I;16L", "I;16B", "I;16N")


def to_rgb(image: PilImage, name: str) -> PilImage:
    """A copy of `image`, upright by its EXIF orientation, in mode RGB.

    | mode | becomes |
    |---|---|
    | RGB, L, 1, P, CMYK, YCbCr, … | what Pillow converts it to, as in Hugging Face |
    | RGBA, LA, P with transparency | its colors; alpha is dropped, as in Hugging Face |
    | I;16 (16-bit grayscale) | value / 257, rounded: 65535 is white (Hugging Face clips at 255) |
    | I (32-bit integers) | as I;16 where a value is above 255, else as it is |
    | F (floats) | an error: nothing says which value is white |

    Raises:
        ImageError: mode F, or integers outside 0 to 65535.
    """
    from PIL import Image, ImageOps

    image.load()
    upright = ImageOps.exif_transpose(image)
    upright.info.pop("transparency", None)  # Pillow would warn that it drops it
    if upright.mode in SIXTEEN_BIT or upright.mode == "I":
        upright = Image.fromarray(_eight_bits(np.asarray(upright), upright.mode, name))
    if upright.mode == "F":
        raise ImageError(f"{name} has floating-point pixels, and nothing says which value is white; save it in 8 bits.")
    return upright if upright.mode == "RGB" else upright.convert("RGB")


def _eight_bits(values: np.ndarray, mode: str, name: str) -> np.ndarray:
    """16-bit gray values as uint8."""
    low, high = int(values.min()), int(values.max())
    if low < 0 or high > 65535:
        raise ImageError(f"{name} has 32-bit pixels from {low} to {high}; save it in 8 or 16 bits.")
    if mode == "I" and high <= 255:
        return values.astype(np.uint8)
    return ((values.astype(np.uint32) + 128) // 257).astype(np.uint8)
