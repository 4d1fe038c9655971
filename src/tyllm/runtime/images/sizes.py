"""The size that an image gets: Hugging Face's smart_resize, and the nearest of the sizes that were compiled."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from hf_messages.image_limits import check_aspect_ratio
from tyllm.runtime.images.preprocessor_config import ImageSettings
from tyllm_base.errors import SettingError

Size = tuple[int, int]  # height, width in pixels
Fit = Literal["pad", "resize"]
How = Literal["as Hugging Face", "resized", "padded"]

EQUAL_PADDING = (
    0.05  # sizes whose padded shares differ by no more are equally good in shape: 1092×1932 and 532×952, say
)


@dataclass(frozen=True)
class Placement:
    """An image is scaled to `scaled`, at the top left of the compiled size `compiled`; the rest is padding."""

    compiled: Size
    scaled: Size
    how: How


def smart_resize(height: int, width: int, settings: ImageSettings) -> Size:
    """The multiples of `settings.factor` nearest to an image's sides, within the limits of pixels.

    The arithmetic is that of `smart_resize` in transformers (models/qwen2_vl), so that grids are the same.

    Raises:
        ImageError: one side is more than 200 times the other.
    """
    check_aspect_ratio(height, width)
    factor = settings.factor
    rounded = round(height / factor) * factor, round(width / factor) * factor
    if rounded[0] * rounded[1] > settings.max_pixels:
        shrink = math.sqrt(height * width / settings.max_pixels)
        return (
            max(factor, math.floor(height / shrink / factor) * factor),
            max(factor, math.floor(width / shrink / factor) * factor),
        )
    if rounded[0] * rounded[1] < settings.min_pixels:
        grow = math.sqrt(settings.min_pixels / (height * width))
        return math.ceil(height * grow / factor) * factor, math.ceil(width * grow / factor) * factor
    return rounded


def compiled_size(height: int, width: int, settings: ImageSettings) -> Size:
    """The size that is compiled when (height, width) is asked for: each side rounded to multiples of patch × merge.

    It is what smart_resize gives for that size, but for the limits of pixels, which do not change what was asked for.

    Raises:
        SettingError: a side is no positive integer.
    """
    for side, name in ((height, "height"), (width, "width")):
        if isinstance(side, bool) or not isinstance(side, int) or side < 1:
            raise SettingError(f"The image {name} {side!r} is no positive number of pixels; give e.g. (540, 960).")
    factor = settings.factor
    return max(1, round(height / factor)) * factor, max(1, round(width / factor)) * factor


def placement_for(
    height: int, width: int, settings: ImageSettings, sizes: Sequence[Size], fit: Fit = "pad"
) -> Placement:
    """The compiled size that takes an image of (height, width), and how it lies in it.

    1. If the size that smart_resize gives is compiled, it is taken: the result is Hugging Face's.
    2. Otherwise the size that needs the smallest share of padding, that is, the nearest in aspect ratio. Shares within
       0.05 of the smallest count as equal; of those the nearest in area to what smart_resize gives.
    3. Aspect ratio kept, the image is scaled to fit inside. Where at most half a token's side is left free, or
       `fit` is "resize", it is stretched over all of it, as smart_resize's own rounding does. Otherwise the rest is
       padding, right or below: a place in the image stays proportional to a place in the input, which images in
       the middle would break for models that answer in coordinates.

    Args:
        height: rows of the image.
        width: columns of the image.
        settings: the model's.
        sizes: sizes (height, width) as they were asked for when compiling.
        fit: "pad" or "resize".

    Raises:
        ImageError: the aspect ratio is above 200.
        SettingError: no size, or an unknown `fit`.
    """
    if fit not in ("pad", "resize"):
        raise SettingError(f"The fit {fit!r} is unknown; use 'pad' or 'resize'.")
    if not sizes:
        raise SettingError("The package has no image size compiled, so it takes no images; compile it with a size.")
    exact = smart_resize(height, width, settings)
    choices = list(dict.fromkeys(compiled_size(*size, settings) for size in sizes))
    if exact in choices:
        return Placement(exact, exact, "as Hugging Face")
    compiled = _nearest(height, width, choices, exact)
    scaled = _inside(height, width, compiled)
    free = compiled[0] - scaled[0] + compiled[1] - scaled[1]  # one of the two sides is filled
    if fit == "resize" or 2 * free <= settings.factor:
        return Placement(compiled, compiled, "resized")
    return Placement(compiled, scaled, "padded")


def _nearest(height: int, width: int, choices: Sequence[Size], exact: Size) -> Size:
    """The choice with the least padding; among about equal ones the nearest in area to `exact`."""

    def padding(choice: Size) -> float:
        quotient = (height * choice[1]) / (width * choice[0])
        return 1 - min(quotient, 1 / quotient)

    least = min(map(padding, choices))
    equal = [choice for choice in choices if padding(choice) <= least + EQUAL_PADDING]
    return min(equal, key=lambda choice: abs(math.log(math.prod(choice) / math.prod(exact))))


def _inside(height: int, width: int, box: Size) -> Size:
    """The largest size of the same aspect ratio that fits into `box`, at least one pixel high and wide."""
    scale = min(box[0] / height, box[1] / width)
    return min(box[0], max(1, round(height * scale))), min(box[1], max(1, round(width * scale)))
