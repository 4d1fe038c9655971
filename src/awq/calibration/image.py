"""Images of calibration data: opened, and cut into patches by Hugging Face's own image processor."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from awq.stream.vision_tower import Tower
from tyllm_errors import CalibrationError


@dataclass(frozen=True)
class CalibrationImage:
    """An image that can be read.

    Attributes:
        source: its path, or a PIL image.
        place: where it was found, for messages.
        grid: its patches in time, down and across.
    """

    source: Any
    place: str
    grid: tuple[int, int, int]

    @property
    def patches(self) -> int:
        """How many patches it has."""
        time, down, across = self.grid
        return time * down * across

    @property
    def digest(self) -> str:
        """Of its pixels."""
        image = opened(self.source, self.place)
        return hashlib.sha256(repr(image.size).encode() + image.tobytes()).hexdigest()


def opened(source: Any, place: str) -> Any:
    """The PIL image of a path or an image, upright, in RGB; raises `CalibrationError`."""
    try:
        from PIL import Image, ImageOps
    except ImportError:
        raise CalibrationError(
            f"{place} is an image, and Pillow is not installed; run 'pip install pillow', or leave images out."
        ) from None
    if not isinstance(source, (str, Path, Image.Image)) or "://" in str(source):
        raise CalibrationError(f"{place} is {source!r}, no image; give the path of a file or a PIL image.")
    try:
        image = source if isinstance(source, Image.Image) else Image.open(source)
        return ImageOps.exif_transpose(image).convert("RGB")
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise CalibrationError(
            f"{place}, {source}, cannot be read as an image ({_reason(error)}); replace it or leave it out."
        ) from error


def _reason(error: BaseException) -> str:
    return str(getattr(error, "strerror", None) or error).partition("\n")[0].rstrip(".")


@dataclass(frozen=True)
class ImageProcessor:
    """Hugging Face's image processor of a checkpoint, with a limit to how large images stay.

    Attributes:
        processor: the processor, of its Pillow kind, which needs no torchvision.
        least: pixels to which small images are enlarged.
        most: pixels to which large ones are reduced.
    """

    processor: Any
    least: int
    most: int

    @property
    def merged(self) -> int:
        """Patches that become one embedding."""
        return int(self.processor.merge_size) ** 2

    @property
    def values(self) -> int:
        """Numbers in a patch: three colors, for each moment."""
        return int(3 * self.processor.temporal_patch_size * self.processor.patch_size**2)

    @classmethod
    def of(cls, folder: Path, tower: Tower, embeddings: int) -> ImageProcessor:
        """The processor in `folder`, or the usual one; an image becomes at most so many embeddings."""
        from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil

        stored = any((folder / name).is_file() for name in ("preprocessor_config.json", "processor_config.json"))
        processor = Qwen2VLImageProcessorPil.from_pretrained(folder) if stored else Qwen2VLImageProcessorPil()
        vision = tower.module.config
        processor.patch_size, processor.merge_size = vision.patch_size, vision.spatial_merge_size
        processor.temporal_patch_size = vision.temporal_patch_size
        most = min(processor.size["longest_edge"], max(1, embeddings) * tower.side**2)
        return cls(processor, min(processor.size["shortest_edge"], most), most)

    def image(self, source: Any, place: str) -> CalibrationImage:
        """Open an image and find its grid; raises `CalibrationError`."""
        from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import smart_resize

        size, patch = opened(source, place).size, self.processor.patch_size
        try:
            height, width = smart_resize(*reversed(size), patch * self.processor.merge_size, self.least, self.most)
        except ValueError as error:
            raise CalibrationError(
                f"{place}, {source}, has {size[0]} × {size[1]} pixels ({_reason(error)}); crop it or leave it out."
            ) from error
        return CalibrationImage(source, place, (1, height // patch, width // patch))

    def patches(self, image: CalibrationImage) -> torch.Tensor:
        """What the vision tower reads: float32 [patches, channels · time · height · width of a patch]."""
        image = opened(image.source, image.place)
        limits = {"min_pixels": self.least, "max_pixels": self.most}
        values: torch.Tensor = self.processor(images=[image], return_tensors="pt", **limits)["pixel_values"]
        return values
