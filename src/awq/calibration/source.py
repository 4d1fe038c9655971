"""Where calibration text comes from: the text in this package, files, lists and datasets, each as a list of documents.

A document is a text, a conversation in the form of Hugging Face's chat templates (`conversations.py`), or token ids.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypedDict

from awq.calibration.conversations import is_message, located
from hf_messages.messages import Message
from tyllm_base.errors import CalibrationError
from tyllm_base.json_reader import parse_json
from tyllm_base.regular_file import decoded, read_regular_file

MAX_BYTES = 1 << 30  # of a file; samples take a few megabytes of it
BUNDLED = Path(__file__).with_name("calibration.jsonl")
CHOICES = "give 'bundled', 'self', a text or .jsonl file, or a list of texts"

Document = str | Sequence[Message] | Sequence[int]
Source = str | Path | Sequence[Document] | None


class DatasetOptions(TypedDict, total=False):
    """The place of the text in a dataset.

    Attributes:
        split: split of the dataset; "train" by default.
        text_column: column of the dataset or .jsonl file; "text" by default.
    """

    split: str
    text_column: str


def documents_of(source: Source, split: str = "train", text_column: str = "text") -> Sequence[Document]:
    """The documents of a source.

    Args:
        source: documents, a text file, a .jsonl file, a dataset's name or folder, "bundled" or None for our own text.
        split: split of the dataset.
        text_column: column of the dataset or .jsonl file; where it is missing, "messages" is looked for.

    Raises:
        CalibrationError: the source cannot be read, or is in another form.
    """
    if is_bundled(source):
        return _read_lines(BUNDLED, "text")
    if isinstance(source, str) and source == "self":
        raise CalibrationError(
            "The calibration data 'self' is no text yet but written by the model; call planned_samples."
        )
    if not isinstance(source, (str, Path)):
        return _checked(() if source is None else source)
    if not Path(source).is_file():
        return _dataset_documents(str(source), split, text_column)
    return _read_lines(Path(source), text_column) if Path(source).suffix == ".jsonl" else [_read_text(Path(source))]


def is_bundled(source: Source) -> bool:
    """Whether the text that comes with this package is meant."""
    return source is None or (isinstance(source, str) and source == "bundled")


def _checked(source: Iterable[Any]) -> list[Document]:
    """The entries of `source`, if they are texts and conversations, or token ids throughout."""
    if not isinstance(source, Iterable):
        raise CalibrationError(f"calib_data is {source!r}; {CHOICES}.")
    entries = [entry if isinstance(entry, str) or not isinstance(entry, Iterable) else list(entry) for entry in source]
    if all(isinstance(entry, list) and all(isinstance(token, int) for token in entry) for entry in entries):
        return entries
    if all(isinstance(entry, str) or (isinstance(entry, list) and all(map(is_message, entry))) for entry in entries):
        return [entry if isinstance(entry, str) else located(entry) for entry in entries]
    raise CalibrationError("calib_data mixes types; give a list of texts, or of lists of token ids, or a file.")


def _read_text(path: Path) -> str:
    """A text file's content; a byte order mark, which editors of Windows write, is left out."""
    cure = "give a text or .jsonl file in UTF-8"
    return decoded(read_regular_file(path, CalibrationError, cure, MAX_BYTES), path, CalibrationError)


def _read_lines(path: Path, text_column: str) -> list[Document]:
    """The documents of a file with a JSON object in each line."""
    documents: list[Document] = []
    for number, line in enumerate(_read_text(path).split("\n"), 1):
        if line.strip():
            try:
                row = parse_json(line.encode(), constants=True)
            except ValueError as error:
                raise CalibrationError(
                    f"Line {number} of {path} is no JSON ({error}); give an object a line."
                ) from error
            documents.append(_column(row, text_column, f"Line {number} of {path}", path.parent))
    return documents


def _column(row: object, text_column: str, place: str, folder: Path = Path()) -> Document:
    """The text or the conversation in a row; images lie in `folder` unless their paths are absolute."""
    if isinstance(row, Mapping):
        if isinstance(row.get(text_column), str):
            return str(row[text_column])
        messages = row.get("messages")
        if isinstance(messages, list) and messages and all(map(is_message, messages)):
            return located(messages, folder)
    raise CalibrationError(
        f"{place} has neither a text under {text_column!r} nor messages with role and content; name the column."
    )


def _dataset_documents(name: str, split: str, text_column: str) -> list[Document]:
    """A column of a dataset that the `datasets` package finds."""
    try:
        from datasets import load_dataset
    except ImportError:
        raise CalibrationError(
            f"The calibration data {name!r} is no file, and datasets is not installed; {CHOICES}."
        ) from None
    try:
        rows = load_dataset(name, split=split)
    except Exception as error:  # the package raises errors of many libraries
        raise CalibrationError(
            f"The calibration dataset {name!r} (split {split!r}) cannot be loaded ({error}); {CHOICES}."
        ) from error
    return [_column(row, text_column, f"Row {number} of {name}") for number, row in enumerate(rows)]
