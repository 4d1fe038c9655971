"""How many tokens are drafted for a sequence, as many as have been worth it; and which, where they are looked up."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from tyllm.runtime.generation.draft_length import DraftLength
from tyllm.runtime.generation.prompt_lookup import PromptLookup


class Drafter:
    """The drafts of one sequence."""

    def __init__(self, prompt: Iterable[int] | None, most: int) -> None:
        """Know a prompt that is looked up, or None where a model drafts; at most so many tokens at a time."""
        self._lookup, self._length = None if prompt is None else PromptLookup(prompt), DraftLength(most)

    def count(self, most: int) -> int:
        """How many tokens to draft now: at most `most`."""
        return max(0, min(most, self._length.count))

    def look_up(self, count: int) -> list[int]:
        """The next tokens, perhaps, where they are looked up: at most `count`."""
        return self._lookup.draft(count) if self._lookup is not None and count else []

    def learn(self, drafted: Sequence[int], picked: Sequence[int], cost: float = 0.0) -> int:
        """Go on with the tokens that the model gave after a draft, which cost so many; how many it confirmed."""
        accepted = shared_length(drafted, picked)
        self._length.note(len(drafted), accepted, cost)
        if self._lookup is not None:
            for token in picked:
                self._lookup.push(token)
        return accepted


def shared_length(first: Sequence[int], second: Sequence[int]) -> int:
    """How many tokens two sequences have in common from the start."""
    pairs = zip(first, second, strict=False)
    return next((at for at, (one, other) in enumerate(pairs) if one != other), min(len(first), len(second)))
