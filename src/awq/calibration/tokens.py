"""Calibration samples: documents as tokens, joined, cut to one length, and spread evenly over all there is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack

import torch

from awq.calibration.chat_text import chat_text
from awq.calibration.source import DatasetOptions, Document, documents_of, is_bundled
from awq.calibration.source import Source as Source
from tyllm_base.errors import CalibrationError, TyllmError
from tyllm_base.panics import is_failure

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

SPELLED_OUT = 1.4
"""Bytes a token holds, at most, where a tokenizer knows hardly a word: 1.0 to 1.35 seen there, else 1.5."""


def calibration_samples(
    source: Source,
    tokenizer: PreTrainedTokenizerBase | None,
    count: int,
    length: int,
    vocabulary: int,
    **dataset: Unpack[DatasetOptions],
) -> torch.Tensor:
    """At most `count` samples of `length` tokens, int64 [n, T], spread evenly over everything that `source` holds.

    The documents are joined and cut, as in AutoAWQ, except that one longer than a sample is cut and not dropped. With
    fewer tokens than `length` there is one shorter sample. Conversations take the form of the chat template, and texts
    stay as they are, for a chat model too. If the tokenizer begins every text with a BOS token, each sample begins with
    it: a model that was trained with one computes other things without it.

    Args:
        source: texts, conversations, lists of token ids, a file, a dataset's name or folder, or None for our own text.
        tokenizer: anything with `encode(text) -> list[int]`; not needed for token ids.
        count: samples wanted.
        length: tokens in a sample.
        vocabulary: size of the model's vocabulary.
        dataset: see `DatasetOptions`.

    Raises:
        CalibrationError: the source cannot be read, is empty, or has tokens that the model does not know.
    """
    if count < 1 or length < 1:
        raise CalibrationError(
            f"Calibration with {count} samples of {length} tokens is impossible; use 1 or more of each."
        )
    documents = documents_of(source, **dataset)
    if tokenizer is None and not all(_is_ids(document) for document in documents):
        raise CalibrationError("Calibration text needs a tokenizer; pass one, or token ids as calib_data.")
    beginning = [] if all(_is_ids(document) for document in documents) else _beginning(tokenizer)
    encoded = [encode(document, tokenizer, len(beginning)) for document in documents]
    if is_bundled(source):
        encoded = _legible(documents, encoded)
    stream = [token for tokens in encoded for token in tokens]
    check_tokens(stream, source, vocabulary)
    return _cut(stream, count, length, beginning[: length - 1])


def _is_ids(document: Document) -> bool:
    """Whether a document is token ids already."""
    return not isinstance(document, str) and all(isinstance(token, int) for token in document)


def encode(document: Document, tokenizer: PreTrainedTokenizerBase, beginning: int = 0) -> list[int]:
    """A document's tokens, without as many at the beginning as the tokenizer puts before every text.

    Raises:
        CalibrationError: the tokenizer fails, or the chat template refuses a conversation.
    """
    with encoding():
        return _encoded(document, tokenizer, beginning)


@contextmanager
def encoding() -> Iterator[None]:
    """Turn whatever a tokenizer raises, of a foreign library or of the caller's own class, into `CalibrationError`."""
    try:
        yield
    except BaseException as error:
        if not is_failure(error) or isinstance(error, TyllmError):
            raise
        raise CalibrationError(
            f"The tokenizer cannot encode the calibration data ({type(error).__name__}: {error}); correct either."
        ) from error


def _encoded(document: Document, tokenizer: PreTrainedTokenizerBase, beginning: int) -> list[int]:
    # Hugging Face's tokenizers warn of texts longer than the model's context, which do no harm here
    quiet = {"verbose": False} if hasattr(tokenizer, "model_max_length") else {}
    if isinstance(document, str):
        return list(tokenizer.encode(document.strip(), **quiet))[beginning:]
    if _is_ids(document):
        return list(document)  # type: ignore[arg-type]  # all of them are int
    if getattr(tokenizer, "chat_template", None):
        return list(tokenizer.encode(chat_text(document, tokenizer), add_special_tokens=False, **quiet))  # type: ignore[arg-type]  # messages
    return list(tokenizer.encode(_plain(document), **quiet))[beginning:]


def _plain(messages: Any) -> str:
    """A conversation for a model without a chat template."""
    return "\n\n".join(f"{message['role'].capitalize()}: {message['content'].strip()}" for message in messages)


def _legible(documents: Sequence[Document], encoded: list[list[int]]) -> list[list[int]]:
    """The passages that the tokenizer does not spell out byte by byte, which says that the model cannot read them.

    All of them, if it spells out everything.
    """
    texts = [document if isinstance(document, str) else _plain(document) for document in documents]
    read = [
        tokens for text, tokens in zip(texts, encoded, strict=True) if len(text.encode()) > SPELLED_OUT * len(tokens)
    ]
    return read or encoded


def check_tokens(stream: Sequence[int], source: Source, vocabulary: int) -> None:
    """Raise `CalibrationError` unless there are tokens, all of them the model's."""
    if not stream:
        shown = repr(str(source)) if isinstance(source, (str, Path)) else "given"
        raise CalibrationError(f"The calibration data {shown} holds no tokens; give some text.")
    if min(stream) < 0 or max(stream) >= vocabulary:
        wrong = min(stream) if min(stream) < 0 else max(stream)
        raise CalibrationError(
            f"The calibration data holds the token {wrong}, but the model has {vocabulary}; use its own tokenizer."
        )


def _beginning(tokenizer: PreTrainedTokenizerBase) -> list[int]:
    """The BOS token, if the tokenizer puts it before every text and nothing behind one."""
    with encoding():
        found = list(tokenizer.encode(""))
    return found if found == [getattr(tokenizer, "bos_token_id", None)] else []


def _cut(stream: Sequence[int], count: int, length: int, beginning: Sequence[int]) -> torch.Tensor:
    """Samples of `beginning` and a stretch of the stream, evenly spread over it."""
    step = min(length - len(beginning), len(stream))
    blocks = torch.tensor(stream[: len(stream) // step * step]).view(-1, step)
    count = min(count, len(blocks))
    chosen = blocks[[index * len(blocks) // count for index in range(count)]]
    return torch.cat([torch.tensor(beginning, dtype=torch.int64).expand(count, -1), chosen], 1)
