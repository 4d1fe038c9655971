"""Calibration tokens: the user's text, tokens, file or dataset, or the text that comes with this package."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import torch

from awq.errors import CalibrationError

BUNDLED = Path(__file__).with_name("calibration.txt")
Source = str | Path | Sequence[str] | Sequence[Sequence[int]] | None


def calibration_samples(
    source: Source,
    tokenizer: Any,
    count: int,
    length: int,
    vocabulary: int,
    split: str = "train",
    text_column: str = "text",
) -> torch.Tensor:
    """At most `count` samples of `length` tokens, int64 [n, T], spread evenly over everything that `source` holds.

    The texts are joined and cut, as in AutoAWQ, except that a text longer than a sample is cut and not dropped. With
    fewer tokens than `length` there is one shorter sample.

    Args:
        source: texts, lists of token ids, a text file, a dataset's name or folder, or None for the bundled text.
        tokenizer: anything with `encode(text) -> list[int]`; not needed for token ids.
        count: samples wanted.
        length: tokens in a sample.
        vocabulary: size of the model's vocabulary.
        split: split of the dataset.
        text_column: column of the dataset.

    Raises:
        CalibrationError: the source cannot be read, is empty, or has tokens that the model does not know.
    """
    if count < 1 or length < 1:
        raise CalibrationError(
            f"Calibration with {count} samples of {length} tokens is impossible; use 1 or more of each."
        )
    stream = [token for tokens in _token_lists(source, tokenizer, split, text_column) for token in tokens]
    if not stream:
        raise CalibrationError(f"The calibration data {_shown(source)} holds no tokens; give some text.")
    if min(stream) < 0 or max(stream) >= vocabulary:
        wrong = min(stream) if min(stream) < 0 else max(stream)
        raise CalibrationError(
            f"The calibration data holds the token {wrong}, but the model has {vocabulary}; use its own tokenizer."
        )
    length = min(length, len(stream))
    blocks = torch.tensor(stream[: len(stream) // length * length]).view(-1, length)
    count = min(count, len(blocks))
    return blocks[[index * len(blocks) // count for index in range(count)]]


def _token_lists(source: Source, tokenizer: Any, split: str, text_column: str) -> Iterable[Sequence[int]]:
    """Token ids of each text of the source."""
    if source is not None and not isinstance(source, (str, Path)) and not all(isinstance(s, str) for s in source):
        return _checked_ids(source)
    if tokenizer is None:
        raise CalibrationError("Calibration text needs a tokenizer; pass one, or token ids as calib_data.")
    # Hugging Face's tokenizers warn of texts longer than the model's context, which do no harm here
    quiet = {"verbose": False} if hasattr(tokenizer, "model_max_length") else {}
    return (tokenizer.encode(text.strip(), **quiet) for text in _texts(source, split, text_column))


def _checked_ids(source: Sequence[Any]) -> Sequence[Sequence[int]]:
    """`source`, if it is a list of lists of token ids."""
    for entry in source:
        if isinstance(entry, str) or not all(isinstance(token, int) for token in entry):
            raise CalibrationError("calib_data mixes types; give a list of texts, or of lists of token ids, or a file.")
    return source


def _texts(source: Any, split: str, text_column: str) -> Iterable[str]:
    """The texts of the source."""
    if source is None:
        return [BUNDLED.read_text(encoding="utf-8")]
    if not isinstance(source, (str, Path)):
        return list(source)
    if Path(source).is_file():
        return [_read_text(Path(source))]
    return _dataset_texts(str(source), split, text_column)


def _read_text(path: Path) -> str:
    """A text file's content."""
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise CalibrationError(f"The calibration file {path} cannot be read as UTF-8 text ({error}).") from error


def _dataset_texts(name: str, split: str, text_column: str) -> Iterable[str]:
    """A column of a dataset that the `datasets` package finds."""
    try:
        from datasets import load_dataset
    except ImportError:
        raise CalibrationError(
            f"The calibration data {name!r} is no file, and datasets is not installed; give a file or a list of texts."
        ) from None
    try:
        return [str(text) for text in load_dataset(name, split=split)[text_column]]
    except Exception as error:  # the package raises errors of many libraries
        raise CalibrationError(
            f"The calibration dataset {name!r} (split {split!r}, column {text_column!r}) cannot be loaded ({error}); "
            "give a file or a list of texts."
        ) from error


def _shown(source: Source) -> str:
    """The source in an error message."""
    return repr(str(source)) if isinstance(source, (str, Path)) else "given"
