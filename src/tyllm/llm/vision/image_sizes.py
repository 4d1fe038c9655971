"""The sizes of images that a vision tower is compiled for, checked and turned into grids of patches."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from tyllm.package import ImageSize
from tyllm.runtime.images.preprocessor_config import ImageSettings
from tyllm.runtime.images.sizes import compiled_size
from tyllm_base.errors import SettingError

if TYPE_CHECKING:
    from transformers import PretrainedConfig

MOST_PATCHES = 65536
"""The most that transformers' preprocessor gives these models: max_pixels 12,845,056 in patches of 14 × 14."""


def image_sizes(
    sizes: Sequence[tuple[int, int]], vision_config: PretrainedConfig, max_kv_cache_size: int
) -> list[ImageSize]:
    """Each (height, width) in pixels with its grid, rounded to whole tokens as transformers' smart_resize rounds.

    Raises:
        SettingError: a size is not positive, smaller than a token, too large, or there twice.
    """
    settings = ImageSettings(patch_size=vision_config.patch_size, merge_size=vision_config.spatial_merge_size)
    found: list[ImageSize] = []
    for size in sizes:
        height, width = _checked(size, settings.factor)
        rows, columns = (pixels // settings.patch_size for pixels in compiled_size(height, width, settings))
        made = ImageSize(height, width, (rows, columns))
        _check_grid(made, vision_config.spatial_merge_size, max_kv_cache_size)
        same = next((other for other in found if other.grid == made.grid), None)
        if same:
            raise SettingError(
                f"The image sizes (--image-size) {same.name} and {made.name} are both {rows}x{columns} patches; "
                "give one of them."
            )
        found.append(made)
    if not found:
        raise SettingError("image_sizes (--image-size) is empty; give a size as height and width, such as 540x960.")
    return found


def _checked(size: Sequence[int], side: int) -> tuple[int, int]:
    if len(size) != 2 or any(isinstance(n, bool) or not isinstance(n, int) for n in size):
        raise SettingError(f"The image size (--image-size) {size!r} is no height and width; give two whole numbers.")
    height, width = size
    if min(height, width) < side:
        raise SettingError(
            f"The image size (--image-size) {height}x{width} is smaller than the {side}x{side} pixels of one token; "
            "give a larger one, such as 540x960."
        )
    return height, width


def _check_grid(size: ImageSize, merge: int, max_kv_cache_size: int) -> None:
    patches = size.grid[0] * size.grid[1]
    if patches > MOST_PATCHES:
        raise SettingError(
            f"The image size (--image-size) {size.name} is {patches:,} patches, more than the {MOST_PATCHES:,} that "
            "the vision tower can be planned for; give a smaller one."
        )
    tokens = patches // merge**2
    if tokens >= max_kv_cache_size:
        raise SettingError(
            f"An image of {size.name} is {tokens:,} tokens, and the cache holds {max_kv_cache_size:,}; "
            "give a smaller size (--image-size) or raise max_kv_cache_size."
        )
