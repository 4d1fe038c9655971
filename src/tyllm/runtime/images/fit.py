"""An image of any size to the patches of a size that was compiled, and a sentence that says what was done."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from hf_messages.image_file import load_image
from hf_messages.image_source import name_of
from tyllm.runtime.images.patches import Grid, patchify, resized
from tyllm.runtime.images.preprocessor_config import ImageSettings
from tyllm.runtime.images.sizes import Fit, How, Placement, Size, placement_for

if TYPE_CHECKING:
    from hf_messages.image_source import ImageSource


@dataclass(frozen=True, eq=False)
class Fitted:
    """An image or video as the vision tower takes it: the compiled program runs once for each temporal patch.

    Attributes:
        patches: float32 [t, n, patch_values].
        grid: (t, h, w), temporal patches and rows and columns of patches; n = h · w.
        tokens: how many tokens it becomes, t · h · w / merge_size².
        original_size: (height, width) as it came, upright.
        compiled_size: (height, width) of the program that takes it.
        how: "as Hugging Face", "resized" (stretched a little) or "padded".
        seconds_per_grid: seconds from one temporal patch to the next, for M-RoPE; None for an image.
        message: what was done, in a sentence; None where it is just what Hugging Face does.
    """

    patches: NDArray[np.float32]
    grid: Grid
    tokens: int
    original_size: Size
    compiled_size: Size
    how: How
    seconds_per_grid: float | None
    message: str | None

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the patches, the grid and the seconds: equal digests are equal inputs to the language model."""
        content = hashlib.sha256(f"{self.grid} {self.seconds_per_grid} ".encode())
        content.update(np.ascontiguousarray(self.patches).data)
        return content.hexdigest()


def fit_image(source: ImageSource, settings: ImageSettings, sizes: Sequence[Size], fit: Fit = "pad") -> Fitted:
    """One image, fitted to one of the compiled sizes by the rule of `sizes.placement_for`.

    Args:
        source: anything that `load_image` takes.
        settings: the model's.
        sizes: sizes (height, width) as they were asked for when compiling.
        fit: "pad" keeps the aspect ratio and fills up with the mean color; "resize" stretches.

    Raises:
        ImageError: no image, or one that cannot be used.
        SettingError: no size, or an unknown `fit`.
    """
    image = load_image(source)
    original = image.height, image.width
    placement = placement_for(*original, settings, sizes, fit)
    pixels = resized(image, placement.scaled, settings)
    rows = patchify([pixels] * settings.temporal_patch_size, placement.compiled, settings)
    return fitted(rows[None], original, placement, settings, name_of(source))


def fitted(
    patches: NDArray[np.float32],
    original: Size,
    placement: Placement,
    settings: ImageSettings,
    name: str,
    seconds_per_grid: float | None = None,
) -> Fitted:
    """The fitted image with its sentence; `patches` are float32 [t, n, patch_values]."""
    height, width = placement.compiled
    grid = len(patches), height // settings.patch_size, width // settings.patch_size
    return Fitted(
        patches=patches,
        grid=grid,
        tokens=grid[0] * grid[1] * grid[2] // settings.merge_size**2,
        original_size=original,
        compiled_size=placement.compiled,
        how=placement.how,
        seconds_per_grid=seconds_per_grid,
        message=_sentence(name, original, placement),
    )


def _sentence(name: str, original: Size, placement: Placement) -> str | None:
    """A sentence on the fit, sizes as width×height; None where it is just Hugging Face's own resize."""
    compiled = f"{_shown(placement.compiled)}, the nearest compiled size"
    if placement.how == "padded":
        return f"{name} is {_shown(original)}; scaled to {_shown(placement.scaled)} and padded to {compiled}."
    if placement.how == "resized":
        return f"{name} is {_shown(original)}; resized to {compiled}."
    return None


def _shown(size: Size) -> str:
    return f"{size[1]}×{size[0]}"
