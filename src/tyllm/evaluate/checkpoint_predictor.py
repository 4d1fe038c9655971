"""A checkpoint, float or quantized, as a predictor."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.resources.abc import Traversable
from pathlib import Path

import torch

from awq.stream.streamed_model import StreamedModel
from tyllm.evaluate.predictor import Logits
from tyllm.evaluate.text_windows import Tokens
from tyllm_base.progress import Advance


class CheckpointPredictor:
    """Runs the model layer by layer in float32, so that it need not fit into memory."""

    def __init__(self, folder: Path, trust_remote_code: bool = False) -> None:
        """Open the checkpoint; raises as `StreamedModel.open`."""
        self._model = StreamedModel.open(folder, trust_remote_code=trust_remote_code)
        self.vocabulary, self.context = self._model.vocabulary, self._model.context
        self.files: Traversable = folder

    def predictions(self, windows: Tokens, advance: Advance) -> Iterator[Logits]:
        """As `Predictor.predictions`."""
        for block in self._model.predictions(torch.from_numpy(windows), advance):
            yield from block.cpu().numpy()

    def __enter__(self) -> CheckpointPredictor:
        return self

    def __exit__(self, *_: object) -> None:
        del self._model
