"""The calibration of a run: tokens, with images among them if the data has any."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from awq.calibration.conversations import images_in
from awq.calibration.generation_starts import planned_samples
from awq.calibration.image_samples import ImageSamples, image_samples
from awq.calibration.self_calibration import SELF
from awq.calibration.source import DatasetOptions, Source, documents_of
from awq.calibration.tokens import calibration_samples
from awq.stream.meta_model import MetaModel
from tyllm_base.errors import CalibrationError, CheckpointError
from tyllm_base.json_reader import MAX_BYTES, parse_json
from tyllm_base.panics import is_failure
from tyllm_base.regular_file import read_regular_file

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase, ProcessorMixin


@dataclass(frozen=True)
class CalibrationData:
    """Where calibration comes from: the data, and for datasets a split and a column; see `awq.calibration.source`."""

    source: Source
    split: str
    text_column: str
    trust_remote_code: bool = False  # the tokenizer's, where none is given

    def samples(
        self, model: MetaModel, tokenizer: PreTrainedTokenizerBase | ProcessorMixin | None, count: int, length: int
    ) -> tuple[torch.Tensor, ImageSamples | None]:
        """At most `count` samples, int64 [n, T], and their images; −1 where the model itself is still to write.

        Raises:
            CalibrationError: the data cannot be used with this model.
        """
        tokenizer = self._tokenizer(tokenizer, model)
        if isinstance(self.source, str) and self.source == SELF:
            return planned_samples(tokenizer, count, length, model.vocabulary), None
        if found := self._with_images(model, tokenizer, count, length):
            return found.tokens, found if found.images else None
        dataset: DatasetOptions = {"split": self.split, "text_column": self.text_column}
        return calibration_samples(self.source, tokenizer, count, length, model.vocabulary, **dataset), None

    def _with_images(
        self, model: MetaModel, tokenizer: PreTrainedTokenizerBase | None, count: int, length: int
    ) -> ImageSamples | None:
        """Samples of data that holds an image, None of other data."""
        documents = documents_of(self.source, self.split, self.text_column)
        number = next((n for n, document in enumerate(documents, 1) if any(images_in(document))), None)
        if number is None:
            return None
        if model.tower is None:
            raise CalibrationError(
                f"Conversation {number} of the calibration data has an image, but a "
                f"{model.module.config.model_type} model reads text alone; leave images out."
            )
        return image_samples(documents, tokenizer, model, count, length)

    def _tokenizer(
        self, given: PreTrainedTokenizerBase | ProcessorMixin | None, model: MetaModel
    ) -> PreTrainedTokenizerBase:
        """The tokenizer that is `given` or is in a processor that is; with None the one beside the checkpoint.

        The chat template of a vision-language model may lie in the processor's files alone, and is taken from there.
        """
        if given is None:
            given = _own_tokenizer(model.checkpoint.path, self.trust_remote_code)
        if model.tower is None:
            return given
        tokenizer = getattr(given, "tokenizer", given)
        if hasattr(tokenizer, "chat_template") and not tokenizer.chat_template:
            tokenizer.chat_template = getattr(given, "chat_template", None) or _processor_template(model)
        return tokenizer


def _own_tokenizer(folder: Path, trust_remote_code: bool) -> PreTrainedTokenizerBase:
    """The checkpoint's; raises `CheckpointError` where transformers makes none of its files."""
    from transformers import AutoTokenizer

    try:
        return AutoTokenizer.from_pretrained(folder, trust_remote_code=trust_remote_code)
    except BaseException as error:
        if not is_failure(error):
            raise
        raise CheckpointError(
            f"The tokenizer in {folder} cannot be loaded ({type(error).__name__}: {error}); download it again, or give "
            "a tokenizer, or token ids as calib_data."
        ) from error


def _processor_template(model: MetaModel) -> str | None:
    """The template in chat_template.json, where transformers before 4.56 kept the processor's."""
    file = model.checkpoint.path / "chat_template.json"
    if not file.is_file():
        return None
    content = read_regular_file(file, CalibrationError, "download it again", MAX_BYTES)
    try:
        found = parse_json(content)["chat_template"]
        if not isinstance(found, str):
            raise TypeError(f"it is a {type(found).__name__} and no text")
        return found
    except (ValueError, KeyError, TypeError, IndexError) as error:
        raise CalibrationError(f"{file} holds no chat template ({error}); download it again.") from error
