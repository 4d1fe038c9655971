"""Calibration samples that the model writes for itself, kept in the work folder for a run that goes on."""

from __future__ import annotations

import torch

from awq.calibration.generation import generated_samples
from awq.stream.meta_model import MetaModel
from awq.work.work_folder import WorkFolder
from hf_checkpoint.safetensors_file import read_header
from tyllm_base.progress import Progress, ignore

SELF = "self"  # as calibration data: the model's own text
PART = "calibration"


def finished_samples(
    planned: torch.Tensor, model: MetaModel, work: WorkFolder, progress: Progress = ignore
) -> torch.Tensor:
    """`planned` int64 [n, T] with text of the model where it is −1; at once if nothing is missing or it lies in `work`.

    Args:
        planned: from `awq.calibration.generation_starts.planned_samples`, or samples that are whole.
        model: the model; no layer of it may be filled.
        work: open for a recipe with the same `planned`.
        progress: called after each step with (steps done, steps in all, what is being done).

    Raises:
        CheckpointError: a weight is NaN, infinite or beyond float16.
        OutputError: the work folder cannot be written.
    """
    if bool((planned >= 0).all()):
        return planned
    if not work.has(PART):
        work.write_part(PART, {"samples": generated_samples(model, planned, progress=progress).numpy()})
    return torch.from_numpy(read_header(work.file(PART))["samples"].read().copy())
