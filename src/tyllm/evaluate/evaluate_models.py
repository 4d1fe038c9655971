"""The driver: open the models, cut the text into windows, let both predict side by side, sum up."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from tyllm.evaluate.evaluation import Evaluation, quality_and_closeness
from tyllm.evaluate.open_predictor import is_package, open_predictor
from tyllm.evaluate.predictor import Predictor
from tyllm.evaluate.text_windows import check_vocabulary, common_tokens, read_text, windows_of
from tyllm.evaluate.token_scores import score_tokens
from tyllm.signing import Signer
from tyllm_base.doors import Door, callers
from tyllm_base.errors import CheckpointError, PackageError, SettingError
from tyllm_base.progress import Advance, Progress
from tyllm_base.user_path import user_path

WINDOW = 2048  # as in GPTQ's evaluation


@Door(CheckpointError)
def evaluate(
    model: str | Path,
    reference: str | Path | None = None,
    *,
    text: str | Path | None = None,
    window: int | None = None,
    max_tokens: int | None = None,
    threads: int | None = None,
    trust_remote_code: bool = False,
    signer: Signer | str | Path | None = None,
    progress: Progress | None = None,
) -> Evaluation:
    """Measure how well a model predicts a text, and how close it stays to a reference.

    The text is cut into consecutive windows, none of which sees another; every token but the first of a window is
    predicted, and a rest shorter than a window is left out: GPTQ's protocol. Checkpoints are read layer by layer.

    Args:
        model: a checkpoint's folder, quantized or not, or a compiled package.
        reference: another one with the same tokenizer, such as the model before it was quantized.
        text: a UTF-8 file; by default the bundled one, which is documentation of Python.
        window: tokens of a window; by default 2048, or what both models hold where that is less.
        max_tokens: only so many tokens from the start of the text.
        threads: worker threads of a package.
        trust_remote_code: run Python code that lies in a checkpoint.
        signer: who must have signed the model, a package then, and the reference where that is one; as of `Session`.
        progress: called with (tokens done, in all, what is being done).

    Raises:
        SettingError: a text, window, number of tokens or signer's file that cannot work, or models not to be compared.
        CheckpointError, PackageError, UnsupportedError: a model cannot be read, or is not signed by `signer`.
        MissingExtraError: `signer` is given and the library that checks signatures is not installed.
    """
    started = time.monotonic()
    folders = [user_path(folder, CheckpointError) for folder in (model, reference) if folder is not None]
    content = read_text(None if text is None else user_path(text, SettingError))
    if signer is not None and not is_package(folders[0]):
        raise PackageError(f"{folders[0]} is no package, and only those are signed; give one, or demand no signer.")
    with ExitStack() as stack:
        predictors = [stack.enter_context(open_predictor(each, threads, trust_remote_code, signer)) for each in folders]
        _check_comparable(folders, predictors)
        tokens = common_tokens([each.files for each in predictors], content)[: _checked(max_tokens)]
        check_vocabulary(tokens, predictors[0].vocabulary, str(model))
        windows = windows_of(tokens, _fitting(window, folders, predictors))
        clock = _Clock(windows.size * len(predictors), progress and callers(progress))
        named = zip(("model", "reference"), predictors, strict=False)
        rows = [each.predictions(windows, clock.advance(name)) for name, each in named]
        scores = score_tokens(windows[:, 1:].reshape(-1), *rows)
    (quality, *others), closeness = quality_and_closeness(scores)
    count, length = windows.shape
    return Evaluation(
        tokens=count * (length - 1),
        window=length,
        windows=count,
        quality=quality,
        reference=others[0] if others else None,
        closeness=closeness,
        seconds=round(time.monotonic() - started, 3),
    )


def _check_comparable(folders: Sequence[Path], predictors: Sequence[Predictor]) -> None:
    sizes = [predictor.vocabulary for predictor in predictors]
    if len(set(sizes)) > 1:
        raise SettingError(
            f"{folders[0]} has {sizes[0]} tokens and {folders[1]} has {sizes[1]}; compare models of one vocabulary."
        )


def _checked(max_tokens: int | None) -> int | None:
    if max_tokens is not None and (not isinstance(max_tokens, int) or max_tokens < 2):
        raise SettingError(f"{max_tokens} tokens hold no prediction; give max_tokens 2 or more.")
    return max_tokens


def _fitting(window: int | None, folders: Sequence[Path], predictors: Sequence[Predictor]) -> int:
    """The window, if every model holds it."""
    limits = {folder: each.context for folder, each in zip(folders, predictors, strict=True) if each.context}
    if window is None:
        return min([WINDOW, *limits.values()])
    if not isinstance(window, int):
        raise SettingError(f"window is {window!r}; give a whole number of tokens.")
    for folder, limit in limits.items():
        if window > limit:
            raise SettingError(
                f"A window of {window} tokens is more than the {limit} that {folder} holds; give a smaller window."
            )
    return window


@dataclass
class _Clock:
    """Adds up the work of all models and reports it."""

    total: int
    progress: Progress | None
    done: float = 0.0

    def advance(self, name: str) -> Advance:
        """The callback that the model `name` calls after each piece of its work."""

        def advance(tokens: float, what: str) -> None:
            self.done += tokens
            if self.progress is not None:
                self.progress(min(self.total, round(self.done)), self.total, f"tokens, {name}: {what}")

        return advance
