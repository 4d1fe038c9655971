"""Opens whatever predicts text: a compiled package or a checkpoint, by what lies in the folder."""

from __future__ import annotations

from pathlib import Path

from tyllm.evaluate.package_predictor import PackagePredictor
from tyllm.evaluate.predictor import Predictor
from tyllm.package.file_names import CONFIG, MANIFEST
from tyllm.signing import Signer
from tyllm_base.errors import CheckpointError


def is_package(folder: Path) -> bool:
    """Whether this is a compiled package."""
    return (folder / MANIFEST).is_file()


def open_predictor(
    folder: Path,
    threads: int | None = None,
    trust_remote_code: bool = False,
    signer: Signer | str | Path | None = None,
) -> Predictor:
    """Open a compiled package, which `signer` must have signed where there is one, or a checkpoint, quantized or not.

    Raises:
        CheckpointError: neither, or damaged.
        PackageError: the package is damaged or for another machine, or not signed by `signer`.
        SettingError: a signer's file that cannot be used.
        UnsupportedError: transformers does not know the model.
    """
    if is_package(folder):
        return PackagePredictor(folder, threads, signer)
    if not (folder / CONFIG).is_file():
        raise CheckpointError(f"{folder} has no {CONFIG}; give a Hugging Face model folder or a compiled package.")
    from tyllm.evaluate.checkpoint_predictor import CheckpointPredictor  # needs torch

    return CheckpointPredictor(folder, trust_remote_code)
