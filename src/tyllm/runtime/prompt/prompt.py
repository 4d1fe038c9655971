"""A prompt: tokens, and in the place of some the embeddings of images or of the caller's own."""

from __future__ import annotations

import operator
import time
from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from tyllm.runtime.prompt.rope_index import RopePositions
from tyllm_base.errors import GenerationError
from tyllm_base.option_checks import shown
from tyllm_base.progress import Progress, ignore

Embeddings = npt.NDArray[np.float32]
UNKNOWN = -1  # the token of a position that was fed as an embedding of the caller's own making
Key = int | tuple[str, int]
"""The identity of a position: its token, or an image's digest and which of its embeddings it is."""


@dataclass(frozen=True)
class Insert:
    """Embeddings in the place of tokens.

    Attributes:
        start: the first position; below 0 where a prompt begins within them.
        shape: (n, H), of the embeddings.
        embeddings: gives them, float32 [n, H], computing them at the first call.
        digest: equal digests are equal embeddings; None for those of the caller's own making.
        note: what was done with the image, in a sentence; None where there is nothing to tell.
    """

    start: int
    shape: tuple[int, int]
    embeddings: Callable[[], Embeddings]
    digest: str | None = None
    note: str | None = None

    @property
    def stop(self) -> int:
        """Behind the last position."""
        return self.start + self.shape[0]


@dataclass(frozen=True)
class Prompt:
    """A prompt, or a part of one.

    Attributes:
        tokens: token ids; placeholders where images are, `UNKNOWN` where embeddings of the caller's own making are.
        inserts: embeddings in the place of tokens, in order.
        rope_positions: their M-RoPE positions, int32 [3, n]; None to go on from what is before them.
        seconds: that preparing the images took.
    """

    tokens: Sequence[int]
    inserts: tuple[Insert, ...] = ()
    rope_positions: RopePositions | None = None
    seconds: float = 0.0

    @classmethod
    def of(cls, given: Prompt | Sequence[int] | Embeddings) -> Prompt:
        """The prompt that token ids or embeddings float32 [n, H] are; raises `GenerationError` for anything else."""
        if isinstance(given, Prompt):
            return given
        if isinstance(given, np.ndarray) and given.ndim == 2 and given.dtype.kind == "f":
            return cls.of_embeddings(given)
        return cls(token_ids(given))

    @classmethod
    def of_embeddings(cls, embeddings: Embeddings) -> Self:
        """The prompt that embeddings of the caller's own making are; raises `GenerationError` where they are none."""
        try:
            rows = np.ascontiguousarray(embeddings, np.float32)
        except (TypeError, ValueError) as error:
            raise GenerationError(f"{shown(embeddings)} is no embeddings; give float32 [n, H].") from error
        if rows.ndim != 2 or not np.isfinite(rows).all():
            what = f"of shape {list(rows.shape)}" if rows.ndim != 2 else "that are not finite numbers"
            raise GenerationError(f"Embeddings {what} cannot be fed; give finite float32 [n, H].")
        return cls([UNKNOWN] * len(rows), (Insert(0, rows.shape, lambda: rows),))

    def __len__(self) -> int:
        return len(self.tokens)

    def __getitem__(self, part: slice) -> Prompt:
        """The tokens of a slice, with what is inserted among them."""
        start, stop, _ = part.indices(len(self))
        inserts = tuple(replace(i, start=i.start - start) for i in self.inserts if i.start < stop and i.stop > start)
        positions = None if self.rope_positions is None else self.rope_positions[:, start:stop]
        return Prompt(self.tokens[start:stop], inserts, positions, self.seconds)

    @property
    def notes(self) -> list[str]:
        """A sentence for each image that had to be fitted."""
        return [insert.note for insert in self.inserts if insert.note]

    def keys(self) -> list[Key]:
        """The identity of each position."""
        keys: list[Key] = list(self.tokens)
        for insert in self.inserts:
            if insert.digest is not None:
                for at in range(max(insert.start, 0), min(insert.stop, len(self))):
                    keys[at] = insert.digest, at - insert.start
        return keys

    def embeddings(self, look_up: Callable[[Sequence[int]], Embeddings]) -> Embeddings:
        """All positions as embeddings float32 [n, H]; `look_up` gives those of tokens."""
        rows = look_up([max(token, 0) for token in self.tokens])
        for insert in self.inserts:
            first, stop = max(insert.start, 0), min(insert.stop, len(self))
            rows[first:stop] = insert.embeddings()[first - insert.start : stop - insert.start]
        return rows

    def compute_embeddings(self, progress: Progress = ignore) -> float:
        """Compute the embeddings of the images that are not computed yet; the seconds that it takes.

        Args:
            progress: called as `progress(done, total, "images")` before each.
        """
        started = time.perf_counter() if self.inserts else 0.0
        for done, insert in enumerate(self.inserts):
            progress(done, len(self.inserts), "images")
            insert.embeddings()
        return time.perf_counter() - started if self.inserts else 0.0


def token_ids(given: Any) -> list[int]:
    """Token ids as plain whole numbers; raises `GenerationError` for anything else."""
    if isinstance(given, str | bytes | bytearray | memoryview | Mapping | Set) or not hasattr(given, "__len__"):
        raise GenerationError(f"{shown(given)} is no list of token ids; give whole numbers in a list.")
    try:
        return [_token_id(token) for token in given]
    except (TypeError, ValueError) as error:
        raise GenerationError(f"{shown(given)} is no list of token ids; give whole numbers in one list.") from error


def _token_id(token: Any) -> int:
    if isinstance(token, bool):
        raise TypeError("True and False are no token ids")
    return operator.index(token)
