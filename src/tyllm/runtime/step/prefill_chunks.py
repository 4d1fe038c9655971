"""Cuts a prompt into chunks of the compiled sequence lengths so that running them costs least."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tyllm_base.errors import GenerationError

# A step reads all weights once, whatever its length, and computes for each token. The figure is how many tokens'
# arithmetic take as long as the reading: an estimate between machines (12 with AVX-512, 27 with AMX), and the choice is
# not sensitive to it.
TOKENS_PER_READ = 20


@dataclass(frozen=True)
class Chunk:
    """`count` tokens from `start` on, run by the program of `seq_len` ≥ count; the rest of it is padding."""

    start: int
    count: int
    seq_len: int


def step_cost(seq_len: int) -> float:
    """Estimated cost of a step, in readings of the weights."""
    return 1 + seq_len / TOKENS_PER_READ


def cover(count: int, seq_lens: Sequence[int], room: int) -> list[Chunk]:
    """The cheapest chunks for `count` tokens, larger ones first.

    Full chunks run first; the last may be padded where the cache has `room` for its whole length.

    Args:
        count: tokens to run, at least 1.
        seq_lens: the compiled lengths.
        room: cache rows from the first of these tokens on, padding included.

    Raises:
        GenerationError: no chunks fit, since the cache is nearly full and the smallest length too long.
    """
    full, full_cost = _full_chunks(count, seq_lens)
    best: tuple[float, int, int | None] | None = (
        (full_cost[count], count, None) if full_cost[count] < INFINITE else None
    )
    for seq_len in seq_lens:
        for rest in range(1, min(seq_len, count + 1)):
            before = count - rest
            total = full_cost[before] + step_cost(seq_len)
            if before + seq_len <= room and total < INFINITE and (best is None or total < best[0]):
                best = (total, before, seq_len)
    if best is None:
        raise GenerationError(
            f"{count} tokens do not fit the {room} rows left in the cache in steps of {sorted(seq_lens)}; "
            "compile the model with the sequence length 1 or a larger max_kv_cache_size."
        )
    return _chunks(full, best[1], count, best[2])


INFINITE = float("inf")


def _full_chunks(count: int, seq_lens: Sequence[int]) -> tuple[list[int], list[float]]:
    """For each number of tokens up to `count`: the largest chunk of its cheapest exact cover, and the cover's cost."""
    last, cost = [0] * (count + 1), [0.0] + [INFINITE] * count
    for tokens in range(1, count + 1):
        for seq_len in sorted(seq_lens):
            if seq_len <= tokens and cost[tokens - seq_len] + step_cost(seq_len) <= cost[tokens]:
                last[tokens], cost[tokens] = seq_len, cost[tokens - seq_len] + step_cost(seq_len)
    return last, cost


def _chunks(full: list[int], exact: int, count: int, padded: int | None) -> list[Chunk]:
    """Chunks for the `exact` tokens without padding, then the padded one."""
    lengths, left = [], exact
    while left:
        lengths.append(full[left])
        left -= full[left]
    chunks, start = [], 0
    for length in sorted(lengths, reverse=True):
        chunks.append(Chunk(start, length, length))
        start += length
    if padded is not None:
        chunks.append(Chunk(start, count - start, padded))
    return chunks
