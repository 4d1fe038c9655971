"""A compiled package as a predictor."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.resources.abc import Traversable
from pathlib import Path

from tyllm.evaluate.predictor import Logits
from tyllm.evaluate.text_windows import Tokens
from tyllm.runtime import Session
from tyllm.signing import Signer
from tyllm_base.progress import Advance


class PackagePredictor:
    """Feeds each window in chunks of the compiled lengths; the head gives the logits of all their tokens."""

    def __init__(self, folder: Path, threads: int | None = None, signer: Signer | str | Path | None = None) -> None:
        """Open the package; arguments and errors as of `Session`."""
        self._session = Session(folder, threads, signer=signer)
        self.vocabulary = self._session.info.vocab_size
        self.context: int | None = self._session.info.max_kv_cache_size
        self.files: Traversable = self._session.package.files

    def predictions(self, windows: Tokens, advance: Advance) -> Iterator[Logits]:
        """As `Predictor.predictions`."""
        conversation = self._session.conversation()
        for index, window in enumerate(windows.tolist()):
            for chunk in conversation.every_logits(window[:-1], after=()):
                yield from chunk
                advance(len(chunk) * len(window) / (len(window) - 1), f"window {index + 1} of {len(windows)}")

    def __enter__(self) -> PackagePredictor:
        return self

    def __exit__(self, *_: object) -> None:
        self._session.close()
