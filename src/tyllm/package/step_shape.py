"""The shape of a step: how many sequences one run of a language model's program takes, and how many tokens of each."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple


class StepShape(NamedTuple):
    """One of the shapes that programs are compiled for: neighbors of one sequence, or one token of each of several.

    Attributes:
        batch: sequences.
        seq_len: tokens of each; 1 where there are several sequences.
    """

    batch: int
    seq_len: int

    @property
    def is_batch(self) -> bool:
        """Whether each token is of a sequence, and so of a slot, of its own."""
        return self.batch > 1

    @property
    def tokens(self) -> int:
        """Tokens of all sequences."""
        return self.batch * self.seq_len

    @property
    def folder(self) -> Path:
        """Where its files lie in a package."""
        return Path(f"batch_{self.batch}") / f"seqlen_{self.seq_len}"

    def __str__(self) -> str:
        return f"{self.batch} sequences" if self.is_batch else f"{self.seq_len} tokens"


def step_shapes(seq_lens: Iterable[int], batch_sizes: Iterable[int]) -> list[StepShape]:
    """The shapes of a package's programs: those of one sequence, then those of several."""
    return [StepShape(1, seq_len) for seq_len in seq_lens] + [StepShape(batch, 1) for batch in batch_sizes]
