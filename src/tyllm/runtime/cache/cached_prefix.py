"""The prompt that lies in a slot of the KV cache: compared with another from the start, and as arrays to be saved."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import takewhile
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from tyllm.runtime.prompt.prompt import UNKNOWN, Key, Prompt

Array = npt.NDArray[Any]


class CachedPrefix:
    """The tokens that were fed and, where they stand for an image, which image it was.

    Attributes:
        tokens: their ids; to be read only.
    """

    def __init__(self) -> None:
        self.tokens: list[int] = []
        self._keys: list[Key] = []

    def __len__(self) -> int:
        return len(self.tokens)

    @property
    def keys(self) -> Sequence[Key]:
        """The identity of each token; to be read only."""
        return self._keys

    def extend(self, prompt: Prompt) -> None:
        """Note that a prompt was fed after what is there."""
        keys = prompt.keys()
        del self._keys[len(self.tokens) :]  # of a call that was interrupted between these lines
        self._keys += keys
        self.tokens += prompt.tokens

    def truncate(self, length: int) -> None:
        """Forget all but the first `length` tokens."""
        del self.tokens[length:], self._keys[length:]

    def shared_length(self, prompt: Prompt) -> int:
        """The number of tokens that a prompt shares with this from the start; those of unknown embeddings never are."""
        pairs = zip(self._keys, prompt.keys(), strict=False)
        return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1] != UNKNOWN, pairs))

    def to_arrays(self) -> dict[str, Array]:
        """The arrays that `from_arrays` reads.

        Returns:
            `tokens` int64 [n]; `digests` of the images, str [images]; `seen` int32 [n, 2]: which of the images stands
            at a token, or -1, and which of its embeddings.
        """
        found = [key if isinstance(key, tuple) else ("", 0) for key in self._keys]
        digests = list(dict.fromkeys(digest for digest, _ in found if digest))
        number = {digest: at for at, digest in enumerate(digests)} | {"": -1}
        seen = [(number[digest], index) for digest, index in found]
        return {
            "tokens": np.asarray(self.tokens, np.int64),
            "digests": np.asarray(digests, "U64"),
            "seen": np.asarray(seen, np.int32).reshape(-1, 2),
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, Array], vocabulary: range) -> Self:
        """The prefix whose arrays, in the shapes and types of `to_arrays`, are given.

        Raises:
            ValueError: a token is outside the vocabulary, or they do not belong together; the middle of a sentence.
        """
        tokens, digests, seen = arrays["tokens"], arrays["digests"], arrays["seen"]
        if len(tokens) and not vocabulary.start <= tokens.min() <= tokens.max() < vocabulary.stop:
            raise ValueError(f"a token is outside {vocabulary.start} to {vocabulary.stop - 1}")
        images, rows = seen[:, 0], seen[:, 1]
        if not ((images >= -1) & (images < len(digests)) & (rows >= 0)).all():
            raise ValueError(f"a token stands for an image that is none of its {len(digests)}")
        if len(set(images[images >= 0].tolist())) != len(set(digests.tolist()) - {""}) or "" in digests:
            raise ValueError("it has an image twice, or one for which no token stands")
        prefix = cls()
        prefix.tokens, names = tokens.tolist(), digests.tolist()
        for token, (image, row) in zip(prefix.tokens, seen.tolist(), strict=True):
            prefix._keys.append(token if image < 0 else (names[image], row))
        return prefix
