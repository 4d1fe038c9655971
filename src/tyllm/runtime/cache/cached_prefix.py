"""What lies in a KV cache: tokens and images, compared with a prompt, and as arrays to be saved."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import takewhile
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from tyllm.runtime.prompt.prompt import UNKNOWN, Key, Prompt

Array = npt.NDArray[Any]


class Record:
    """The tokens that were fed and, where they stand for an image, which image it was."""

    def __init__(self) -> None:
        self.tokens: list[int] = []
        self._keys: list[Key] = []

    def __len__(self) -> int:
        return len(self.tokens)

    def add(self, prompt: Prompt) -> None:
        """Note what was fed."""
        self.tokens += prompt.tokens
        self._keys += prompt.keys()

    def cut(self, length: int) -> None:
        """Forget all but the first `length` positions."""
        del self.tokens[length:], self._keys[length:]

    def common(self, prompt: Prompt) -> int:
        """How many positions a prompt shares with this from the start; those of unknown embeddings never are."""
        pairs = zip(self._keys, prompt.keys(), strict=False)
        return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1] != UNKNOWN, pairs))

    def arrays(self) -> dict[str, Array]:
        """`tokens` int64 [n]; images' `digests`; `seen` int32 [n, 2]: which of them, or -1, and which embedding."""
        found = [key if isinstance(key, tuple) else ("", 0) for key in self._keys]
        digests = list(dict.fromkeys(digest for digest, _ in found if digest))
        number = {digest: at for at, digest in enumerate(digests)} | {"": -1}
        seen = [(number[digest], index) for digest, index in found]
        return {
            "tokens": np.asarray(self.tokens, np.int64),
            "digests": np.asarray(digests, np.str_),
            "seen": np.asarray(seen, np.int32).reshape(-1, 2),
        }

    @classmethod
    def of(cls, arrays: Mapping[str, Array]) -> Self:
        """What `arrays` gave; raises KeyError, ValueError or IndexError for anything else."""
        record = cls()
        record.tokens = arrays["tokens"].tolist()
        digests = arrays["digests"].tolist()
        for token, (image, index) in zip(record.tokens, arrays["seen"].tolist(), strict=True):
            record._keys.append(token if image < 0 else (digests[image], index))
        return record
