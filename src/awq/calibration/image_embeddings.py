"""Embeddings of the calibration's images, computed by the vision tower block by block and kept in the work folder."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import nn
from torch.utils.hooks import RemovableHandle

from awq.calibration.image import CalibrationImage
from awq.calibration.image_samples import ImageSamples
from awq.stream.activation_statistics import hooked
from awq.stream.layerwise_pass import InsertedImages
from awq.stream.malloc_trim import trim_freed_memory
from awq.stream.meta_model import MetaModel
from awq.work.part_names import IMAGES
from awq.work.work_folder import WorkFolder
from hf_checkpoint.model_on_meta import fill_buffers
from tyllm_base.progress import Progress, ignore

PATCHES = 4096  # that go through the tower together; each time all its weights are read again


def inserted_images(
    samples: ImageSamples | None, model: MetaModel, work: WorkFolder, progress: Progress = ignore
) -> InsertedImages | None:
    """The embeddings of the samples' images and where they stand; computed unless they lie in `work` already.

    Args:
        samples: samples with images; None for text.
        model: the model; no part of the tower may be filled.
        work: open for a recipe with these samples.
        progress: called before each unit of the tower with (units done, units in all, what is being done).

    Raises:
        CalibrationError: an image can no longer be read.
        CheckpointError: a weight is NaN, infinite or beyond float16.
        OutputError: the work folder cannot be written.
    """
    if samples is None:
        return None
    if not work.has(IMAGES):
        work.write_part(IMAGES, {IMAGES: TowerPass(model, samples, progress).embeddings().cpu().numpy()})
    embeddings = torch.from_numpy(work.read_tensor(IMAGES, IMAGES)).to(model.device)
    return InsertedImages(samples.rows.to(model.device), samples.positions.to(model.device), embeddings)


@dataclass
class TowerPass:
    """Takes the images of `samples` through the vision tower, of which one unit is in memory at a time."""

    model: MetaModel
    samples: ImageSamples
    progress: Progress = ignore
    done: int = 0

    def embeddings(self) -> torch.Tensor:
        """Float32 [rows, H]: the embeddings of all images behind each other."""
        tower = self.model.tower
        assert tower is not None  # the samples have images
        for module in tower.module.modules():
            fill_buffers(self.model.module, module, self.model.device)
        groups = list(_groups(self.samples.images))
        units = list(tower.units())
        self.done = 0
        found = []
        with hooked(handle for name, unit in units for handle in self._hooks(name, unit, len(units) * len(groups))):
            for group in groups:
                patches = torch.cat([self.samples.processor.patches(image) for image in group])
                grids = torch.tensor([image.grid for image in group])
                output = tower.module(patches.to(self.model.device), grid_thw=grids.to(self.model.device))
                found.append(output.pooler_output)
                trim_freed_memory()
        return torch.cat(found)

    def _hooks(self, name: str, unit: nn.Module, total: int) -> tuple[RemovableHandle, RemovableHandle]:
        """Fill a unit before it runs, and empty it behind."""

        def fill(*_: object) -> None:
            self.progress(self.done, total, f"images, {name}")
            self.done += 1
            self.model.fill(unit, f"{name}.")

        empty: Callable[..., None] = lambda *_: self.model.empty(unit)  # noqa: E731
        return unit.register_forward_pre_hook(fill), unit.register_forward_hook(empty)


def _groups(images: Sequence[CalibrationImage]) -> Iterator[list[CalibrationImage]]:
    """The images in order, as many at a time as have `PATCHES` patches together, or a larger one alone."""
    group: list[CalibrationImage] = []
    for image in images:
        if group and sum(each.patches for each in group) + image.patches > PATCHES:
            yield group
            group = []
        group.append(image)
    yield group
