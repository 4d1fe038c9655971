"""Images of calibration data: opened, and cut into patches by Hugging Face's own image processor."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from hf_checkpoint.vision_tower import TowerModule
from hf_messages.image_file import load_image
from tyllm_base.errors import CalibrationError, ImageError

if TYPE_CHECKING:
    from PIL.Image import Image as PilImage

    from hf_messages.image_source import ImageSource


@dataclass(frozen=True)
class CalibrationImage:
    """An image that can be read.

    Attributes:
        source: anything that `hf_messages.image_file.load_image` takes.
        place: where it was found, for messages.
        grid: its patches in time, down and across.
    """

    source: ImageSource
    place: str
    grid: tuple[int, int, int]

    @property
    def patches(self) -> int:
        """The number of its patches."""
        time, down, across = self.grid
        return time * down * across

    @property
    def digest(self) -> str:
        """Of its pixels."""
        image = opened(self.source, self.place)
        return hashlib.sha256(repr(image.size).encode() + image.tobytes()).hexdigest()


def opened(source: ImageSource, place: str) -> PilImage:
    """The image, upright and in RGB; raises `CalibrationError`, which says where it was found."""
    try:
        return load_image(source)
    except ImageError as error:
        raise CalibrationError(f"{place}: {error}") from error


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
    def of(cls, folder: Path, tower: TowerModule, embeddings: int) -> ImageProcessor:
        """The processor in `folder`, or the usual one; an image becomes at most so many embeddings."""
        from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil

        stored = any((folder / name).is_file() for name in ("preprocessor_config.json", "processor_config.json"))
        processor = Qwen2VLImageProcessorPil.from_pretrained(folder) if stored else Qwen2VLImageProcessorPil()
        vision = tower.module.config
        processor.patch_size, processor.merge_size = vision.patch_size, vision.spatial_merge_size
        processor.temporal_patch_size = vision.temporal_patch_size
        most = min(processor.size["longest_edge"], max(1, embeddings) * tower.pixels_per_token**2)
        return cls(processor, min(processor.size["shortest_edge"], most), most)

    def image(self, source: ImageSource, place: str) -> CalibrationImage:
        """Open an image and find its grid; raises `CalibrationError`."""
        from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import smart_resize

        width, height = opened(source, place).size
        patch = self.processor.patch_size
        height, width = smart_resize(height, width, patch * self.processor.merge_size, self.least, self.most)
        return CalibrationImage(source, place, (1, height // patch, width // patch))

    def patches(self, image: CalibrationImage) -> torch.Tensor:
        """The vision tower's input: float32 [patches, channels · time · height · width of a patch]."""
        pixels = opened(image.source, image.place)
        limits = {"min_pixels": self.least, "max_pixels": self.most}
        values: torch.Tensor = self.processor(images=[pixels], return_tensors="pt", **limits)["pixel_values"]
        return values
