"""The interface of models that predict text: windows of tokens go in, logits of the next tokens come out."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt

from tyllm.evaluate.text_windows import Tokens
from tyllm.package.file_names import CONFIG, MANIFEST
from tyllm_errors import CheckpointError
from tyllm_progress import Advance

Logits = npt.NDArray[np.float32]


class Predictor(AbstractContextManager["Predictor"], Protocol):
    """A model that predicts; its memory is given back at the end of a `with` block.

    Attributes:
        vocabulary: how many tokens have a logit: V.
        context: how many tokens a window may have at most; None if nothing limits them.
    """

    vocabulary: int
    context: int | None

    def predictions(self, windows: Tokens, advance: Advance) -> Iterator[Logits]:
        """The logits float32 [V] of the token after each of `windows` int64 [n, T] but a window's last, in order.

        An array is the caller's only until the next one is asked for. `advance` is called after each piece of work;
        its numbers add up to n · T.
        """


def is_package(folder: Path) -> bool:
    """Whether this is a compiled package."""
    return (folder / MANIFEST).is_file()


def open_predictor(folder: Path, threads: int | None = None, trust_remote_code: bool = False) -> Predictor:
    """Open a compiled package, or a checkpoint, quantized or not.

    Raises:
        CheckpointError: neither, or damaged.
        PackageError: the package is damaged or for another machine.
        UnsupportedError: transformers does not know the model.
    """
    if is_package(folder):
        from tyllm.evaluate.package_predictor import PackagePredictor

        return PackagePredictor(folder, threads)
    if not (folder / CONFIG).is_file():
        raise CheckpointError(f"{folder} has no {CONFIG}; give a Hugging Face model folder or a compiled package.")
    from tyllm.evaluate.checkpoint_predictor import CheckpointPredictor

    return CheckpointPredictor(folder, trust_remote_code)
