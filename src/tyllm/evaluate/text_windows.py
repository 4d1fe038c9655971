"""The text to predict: a file of the user's, or the one that comes along, as tokens in windows."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from importlib.resources.abc import Traversable
from pathlib import Path

import numpy as np
import numpy.typing as npt

from hf_checkpoint.tokenizer_trial import try_tokenizer
from tyllm.package.file_names import MANIFEST, TOKENIZER
from tyllm.runtime.prompt.tokenizer import Tokenizer
from tyllm_base.errors import CheckpointError, PackageError, SettingError
from tyllm_base.regular_file import decoded, read_regular_file

HELD_OUT = Path(__file__).with_name("heldout.txt")  # nine documents of Python's documentation
MAX_BYTES = 1 << 30  # of a text to predict
Tokens = npt.NDArray[np.int64]


def read_text(path: Path | None) -> str:
    """The text of a UTF-8 file, of `HELD_OUT` when None; raises `SettingError`."""
    path = path or HELD_OUT
    return decoded(read_regular_file(path, SettingError, "give a text file", MAX_BYTES), path, SettingError)


def common_tokens(folders: Sequence[Traversable], text: str) -> list[int]:
    """Token ids of `text`, the same for each of the models, folders or opened packages, that has a tokenizer.

    Raises:
        SettingError: no model has one, or two disagree.
        CheckpointError, PackageError: a tokenizer.json is damaged.
    """
    found = {folder: _tokenizer(folder).encode(text) for folder in folders if Tokenizer.is_in(folder)}
    if not found:
        raise SettingError(f"{' and '.join(map(str, folders))} have no {TOKENIZER}; copy it from the original model.")
    (first, tokens), *others = found.items()
    for other, theirs in others:
        if theirs != tokens:
            raise SettingError(
                f"{first} and {other} split the text into different tokens; compare models of one tokenizer."
            )
    return tokens


def _tokenizer(folder: Traversable) -> Tokenizer:
    """The tokenizer of a package, or of a checkpoint, where it is tried first."""
    if isinstance(folder, Path) and not (folder / MANIFEST).is_file():
        try_tokenizer(folder, {})
    try:
        return Tokenizer(folder)
    except PackageError as error:
        if (folder / MANIFEST).is_file():
            raise
        raise CheckpointError(f"{folder / TOKENIZER} cannot be read ({error.__cause__}); download it again.") from error


def windows_of(tokens: Sequence[int], window: int) -> Tokens:
    """Consecutive, disjoint windows int64 [n, T] of a text, as GPTQ's evaluation cuts it (Frantar et al., 2022).

    A rest shorter than a window is left out; a text shorter than a window is one window.

    Raises:
        SettingError: a window or a text of fewer than 2 tokens, of which nothing is predicted.
    """
    if window < 2:
        raise SettingError(f"A window of {window} tokens predicts none; give 2 or more.")
    if len(tokens) < 2:
        raise SettingError(f"The text has {len(tokens)} tokens, and a prediction needs 2; give a longer text.")
    window = min(window, len(tokens))
    return np.array(tokens[: len(tokens) // window * window], np.int64).reshape(-1, window)


def check_vocabulary(tokens: Iterable[int], vocabulary: int, model: str) -> None:
    """Raise `SettingError` for a token that the model does not have."""
    largest = max(tokens, default=0)
    if largest >= vocabulary:
        raise SettingError(
            f"The text has the token {largest}, but {model} has {vocabulary} tokens; "
            "its tokenizer belongs to another model."
        )
