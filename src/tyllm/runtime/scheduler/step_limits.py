"""How many tokens a step feeds: beside decoding sequences, and of a prompt that is read alone."""

from __future__ import annotations

from collections.abc import Sequence

from tyllm.runtime.step.prefill import lengths_scored
from tyllm.runtime.step.prefill_chunks import cover
from tyllm_base.errors import SettingError
from tyllm_base.option_checks import is_whole, shown

LEAST_BESIDE = 8
"""Rows of a prompt beside decoding sequences; where there would be fewer, both take turns by the step."""
MOST_VERIFIED = 8
"""Rows of a step up to which drafts are added: so many take little longer than one."""


class StepLimits:
    """The compiled programs as the scheduler sees them.

    Attributes:
        batch_rows: tokens of any sequences that a step may have together; 0 where no program takes several sequences.
        scored_rows: tokens of one sequence that a step may have where the logits of all are wanted.
    """

    def __init__(
        self, seq_lens: Sequence[int], max_batch_rows: int, max_batched_tokens: int | None, vocab_size: int
    ) -> None:
        """Take the programs' limits.

        Args:
            seq_lens: the compiled lengths for one sequence.
            max_batch_rows: tokens of several sequences that one program takes; 0 for none.
            max_batched_tokens: as many as a step may have beside others at most; None for all that the program takes.
            vocab_size: of the logits.

        Raises:
            SettingError: max_batched_tokens below 1.
        """
        if max_batched_tokens is not None and (not is_whole(max_batched_tokens) or max_batched_tokens < 1):
            raise SettingError(f"max_batched_tokens is {shown(max_batched_tokens)}; give a whole number, 1 or more.")
        self._seq_lens = sorted(seq_lens)
        self.batch_rows = min(max_batch_rows, max_batched_tokens or max_batch_rows)
        self._short_lens = [n for n in self._seq_lens if n <= (max_batched_tokens or n)] or self._seq_lens[:1]
        self.scored_rows = lengths_scored(seq_lens, vocab_size)[-1]

    @property
    def spare(self) -> int:
        """Rows of a slot that padding may take behind its tokens."""
        return self._seq_lens[-1]

    def decoding(self, count: int) -> int:
        """How many of so many decoding sequences a step takes; where no program takes several, all take their turns."""
        return min(count, self.batch_rows) if self.batch_rows else count

    def rows_beside(self, decoding: int) -> int:
        """Tokens of prompts that a step takes beside so many decoding sequences; 0 for none."""
        rows = self.batch_rows - decoding
        return rows if decoding and rows >= LEAST_BESIDE else 0

    def drafted(self, decoding: int) -> int:
        """Tokens that a step may verify beside the next one of each of so many sequences."""
        return max(0, min(self.batch_rows, MOST_VERIFIED) - decoding)

    def alone(self, count: int, room: int, *, beside_others: bool = False) -> int:
        """Tokens that a step reads of one sequence.

        Args:
            count: that are left of its prompt.
            room: rows left in its slot, padding included.
            beside_others: whether others decode between such steps, and `max_batched_tokens` counts.

        Raises:
            GenerationError: no program fits, since the slot is nearly full.
        """
        lengths = self._short_lens if beside_others else self._seq_lens
        longest = lengths[-1]
        return longest if count > 2 * longest else cover(count, lengths, room)[0].count

    def padded(self, count: int) -> int:
        """Rows that a step writes for so many tokens of one sequence."""
        return next((length for length in self._seq_lens if length >= count), count)
