"""Prefill: a prompt fed into a slot, a chunk a step, with progress."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from tyllm.runtime.cache.slot import Lease
from tyllm.runtime.prompt.prompt import Prompt
from tyllm.runtime.step.model_runner import Logits, ModelRunner, ScheduledChunk, check_logits
from tyllm.runtime.step.prefill_chunks import cover
from tyllm_base.progress import Progress, ignore

MOST_LOGITS = 96 << 20
"""Bytes of logits that a step makes at most where those of all its tokens are wanted."""


def schedule_chunks(
    lease: Lease, prompt: Prompt, runner: ModelRunner, lengths: Sequence[int] | None = None
) -> list[ScheduledChunk]:
    """The chunks of a prompt after what the lease's slot holds, to be fed in this order; the last one wants logits.

    They are of the compiled `lengths`, all of them where none are given.

    All its positions are assigned now, since a slot may have to compute a table for them.

    Raises:
        GenerationError: no chunks fit, since the cache is nearly full and the smallest compiled length too long;
            another call took the slot over, or the session is closed.
    """
    slot = lease.slot
    with slot.lock:
        lease.check()
        slot.positions.assign(len(slot), prompt)
        chunks = cover(len(prompt), lengths or runner.seq_lens, slot.rows_left)
    if len(chunks) == 1:  # a token of decoding, above all: nothing to be cut
        return [ScheduledChunk(lease, prompt)]
    return [
        ScheduledChunk(
            lease, prompt[chunk.start : chunk.start + chunk.count], "last" if chunk is chunks[-1] else "none"
        )
        for chunk in chunks
    ]


def schedule_every_logits(lease: Lease, prompt: Prompt, runner: ModelRunner) -> list[ScheduledChunk]:
    """As `schedule_chunks`, with the logits of each token, which take `MOST_LOGITS` at a time."""
    lengths = lengths_scored(runner.seq_lens, runner.manifest.vocab_size)
    return [replace(chunk, logits="all") for chunk in schedule_chunks(lease, prompt, runner, lengths)]


def lengths_scored(seq_lens: Sequence[int], vocab_size: int) -> list[int]:
    """The compiled lengths, one at least, for whose tokens all logits take no more than `MOST_LOGITS`."""
    return [length for length in sorted(seq_lens) if 4 * vocab_size * length <= MOST_LOGITS] or [min(seq_lens)]


def feed(runner: ModelRunner, lease: Lease, prompt: Prompt, progress: Progress = ignore) -> Logits:
    """Feed a prompt after what the lease's slot holds; the logits float32 [V] after its last token.

    Args:
        runner: runs the steps.
        lease: of a slot, which holds what was fed when a step fails or is interrupted.
        prompt: at least one token.
        progress: called with the tokens fed so far after each step but the last.

    Raises:
        GenerationError: as `schedule_chunks`.
        StepError: compiled code failed, or computed what is no number.
    """
    chunks, fed = schedule_chunks(lease, prompt, runner), 0
    for chunk in chunks[:-1]:
        runner.step([chunk])
        fed += len(chunk.prompt)
        progress(fed, len(prompt), "tokens")
    (logits,) = runner.step(chunks[-1:])
    return check_logits(logits).reshape(-1)
