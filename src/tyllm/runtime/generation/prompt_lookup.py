"""Drafts without a second model: what followed the last tokens where they stood before (prompt lookup decoding).

Saxena, "Prompt Lookup Decoding" (2023); transformers calls it `prompt_lookup_num_tokens`.
"""

from __future__ import annotations

from collections.abc import Iterable

LONGEST, SHORTEST = 3, 2
"""Tokens that are looked up: three, or two where three are new."""


class PromptLookup:
    """The places of every two and three tokens of a text that grows, the latest of each."""

    def __init__(self, tokens: Iterable[int] = ()) -> None:
        self._tokens: list[int] = []
        self._ends: dict[tuple[int, ...], int] = {}
        for token in tokens:
            self.push(token)

    def push(self, token: int) -> None:
        """Go on with a token; what ends before it is found from now on."""
        self._tokens.append(token)
        end = len(self._tokens) - 1
        for length in range(SHORTEST, LONGEST + 1):
            if end >= length:
                self._ends[tuple(self._tokens[end - length : end])] = end

    def draft(self, count: int) -> list[int]:
        """Up to `count` tokens that followed the last ones before; none where they are new, or an embedding follows."""
        for length in range(LONGEST, SHORTEST - 1, -1):
            start = self._ends.get(tuple(self._tokens[-length:]))
            if start is not None:
                found = self._tokens[start : start + count]
                return found[: next((at for at, token in enumerate(found) if token < 0), len(found))]
        return []
