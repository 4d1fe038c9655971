"""Prefill: a prompt fed into a slot, a chunk a step, with progress."""

from __future__ import annotations

from collections.abc import Callable

from tyllm.runtime.cache.slot import CacheSlot
from tyllm.runtime.prompt.prompt import Prompt
from tyllm.runtime.step.model_runner import Logits, ModelRunner, ScheduledChunk
from tyllm.runtime.step.prefill_chunks import cover
from tyllm_base.progress import Progress, ignore


def schedule_chunks(slot: CacheSlot, prompt: Prompt, runner: ModelRunner) -> list[ScheduledChunk]:
    """The chunks of a prompt after what a slot holds, to be fed in this order; the last one wants logits.

    All its positions are assigned now, since a slot may have to compute a table for them.

    Raises:
        GenerationError: no chunks fit, since the cache is nearly full and the smallest compiled length too long.
    """
    slot.positions.assign(len(slot), prompt)
    chunks = cover(len(prompt), runner.seq_lens, slot.rows_left)
    if len(chunks) == 1:  # a token of decoding, above all: nothing to be cut
        return [ScheduledChunk(slot, prompt, chunks[0].seq_len)]
    return [
        ScheduledChunk(slot, prompt[chunk.start : chunk.start + chunk.count], chunk.seq_len, chunk is chunks[-1])
        for chunk in chunks
    ]


def feed(
    runner: ModelRunner, slot: CacheSlot, prompt: Prompt, progress: Progress = ignore,
    check: Callable[[], object] = lambda: None,
) -> Logits:  # fmt: skip
    """Feed a prompt after what a slot holds; the logits float32 [V] after its last token.

    Args:
        runner: runs the steps.
        slot: holds what was fed when a step fails or is interrupted.
        prompt: at least one token.
        progress: called with the tokens fed so far after each step but the last.
        check: called before each step; what it raises ends the prefill.

    Raises:
        GenerationError: as `schedule_chunks`.
        StepError: compiled code failed.
    """
    chunks, fed = schedule_chunks(slot, prompt, runner), 0
    for chunk in chunks[:-1]:
        check()
        runner.step([chunk])
        fed += len(chunk.prompt)
        progress(fed, len(prompt), "tokens")
    check()
    (logits,) = runner.step(chunks[-1:])
    assert logits is not None  # the last chunk wants them
    return logits
