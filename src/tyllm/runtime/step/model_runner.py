"""Runs steps: the tokens that were scheduled go into the engine's inputs, logits come out, and the slots hold more."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from tyllm.package.step_shape import StepShape
from tyllm.runtime.cache.slot import CacheSlot, Lease
from tyllm.runtime.execute.engine import Engine
from tyllm.runtime.prompt.embedding_table import EmbeddingTable
from tyllm.runtime.prompt.prompt import Prompt
from tyllm_base.errors import StepError

Logits = npt.NDArray[np.float32]
LogitsWanted = Literal["none", "last", "all"]


@dataclass(frozen=True)
class ScheduledChunk:
    """The tokens of one sequence that a step feeds.

    Attributes:
        lease: of the slot that holds the tokens before them.
        prompt: the tokens, at least 1 and at most the longest compiled length.
        logits: after which of the tokens they are computed.
    """

    lease: Lease
    prompt: Prompt
    logits: LogitsWanted = "last"

    @property
    def wanted(self) -> range:
        """Which of its tokens logits are wanted after."""
        count = len(self.prompt)
        return range({"none": count, "last": count - 1, "all": 0}[self.logits], count)

    @property
    def slot(self) -> CacheSlot:
        """Where they are cached."""
        return self.lease.slot


class ModelRunner:
    """Runs steps on an engine. It knows slots and chunks, and nothing of what becomes of the logits."""

    def __init__(self, engine: Engine, embedding_table: EmbeddingTable | None) -> None:
        self._engine, self._embedding_table = engine, embedding_table
        self.seq_lens, self.manifest = engine.seq_lens, engine.package.manifest
        self.max_batch_rows = max(engine.batch_sizes, default=0)

    def step(self, batch: Sequence[ScheduledChunk]) -> list[Logits]:
        """Feed a chunk of each of several sequences.

        They share one run where the package has a batch for all their tokens, at most `max_batch_rows`; so do those of
        a chunk whose logits are all wanted. Else each chunk runs by itself.

        Returns:
            For each chunk the logits float32 [n, V] after those of its tokens that want them; `check_logits` tells
            whether they are numbers.

        Raises:
            GenerationError: another call took a slot over, or the session is closed.
            StepError: compiled code failed; the slots are as before, but those of chunks that ran before by themselves.
        """
        shape = self._batch_for(batch)
        with self._engine.lock:  # the engine's inputs and outputs belong to every sequence
            return [self._feed(chunk) for chunk in batch] if shape is None else self._feed_together(batch, shape)

    def _batch_for(self, batch: Sequence[ScheduledChunk]) -> StepShape | None:
        """The smallest batch that takes all chunks; None where there is none, or a chunk by itself is quicker."""
        tokens = sum(len(chunk.prompt) for chunk in batch)
        if tokens < 2 or (len(batch) == 1 and batch[0].logits != "all"):
            return None
        return next((StepShape(size, 1) for size in self._engine.batch_sizes if size >= tokens), None)

    def _feed_together(self, batch: Sequence[ScheduledChunk], shape: StepShape) -> list[Logits]:
        """One run, with a row for each token."""
        for chunk in batch:
            chunk.lease.check()
        wanted, used = [], 0
        for chunk in batch:
            self._write_tokens(chunk, shape, used)
            wanted.append([used + token for token in chunk.wanted])
            used += len(chunk.prompt)
        rows = [row for own in wanted for row in own]
        for io in self._engine.io_views(shape):
            io["row"][: len(rows)] = rows
            io["row_count"][0], io["logit_count"][0] = used, len(rows)
        self._engine.step(shape, head=bool(rows))
        logits = self._empty_logits(len(rows))
        self._read_logits(shape, logits)
        for chunk in batch:
            chunk.slot.prefix.extend(chunk.prompt)
        return np.split(logits, np.cumsum([len(own) for own in wanted])[:-1])

    def _feed(self, chunk: ScheduledChunk) -> Logits:
        """A run of the program for one sequence; its head, for some rows, as often as more are wanted."""
        chunk.lease.check()
        shape, wanted = StepShape(1, self._length_for(chunk)), chunk.wanted
        self._write_tokens(chunk, shape, 0)
        logits, most = self._empty_logits(len(wanted)), self._engine.logit_rows(shape)
        for at in range(0, max(1, len(wanted)), most):
            self._run(chunk, shape, wanted[at : at + most], body=at == 0)
            self._read_logits(shape, logits[at : at + most])
        chunk.slot.prefix.extend(chunk.prompt)
        return logits

    def _length_for(self, chunk: ScheduledChunk) -> int:
        """The shortest compiled length that takes a chunk; `prefill_chunks` saw to it that there is one."""
        return next(length for length in self.seq_lens if length >= len(chunk.prompt))

    def _run(self, chunk: ScheduledChunk, shape: StepShape, rows: range, *, body: bool) -> None:
        """Run a program on its inputs; its head, if there are such, reads the hidden states of the tokens `rows`."""
        for io in self._engine.io_views(shape):
            io["row"][: len(rows)] = rows
            if "logit_count" in io:
                io["logit_count"][0] = len(rows)
        self._engine.step(shape, chunk.slot.number, body=body, head=bool(rows))

    def _write_tokens(self, chunk: ScheduledChunk, shape: StepShape, first: int) -> None:
        """A chunk's inputs for every die from row `first` on, and padding behind it: token 0 or a zero embedding."""
        name, values = self._values(chunk.prompt)
        start, stop = len(chunk.slot), first + len(chunk.prompt)
        rows = range(first, stop if shape.is_batch else shape.seq_len)
        for io in self._engine.io_views(shape):
            io[name][0, first:stop] = values
            io[name][0, stop : rows.stop] = 0
            chunk.slot.positions.write_inputs(io, rows, start)
            if shape.is_batch:
                io["position"][first:stop] = range(start, start + len(rows))
                io["slot"][first:stop] = chunk.slot.number
            else:
                io["position"][0] = start

    def _values(self, prompt: Prompt) -> tuple[str, npt.ArrayLike]:
        """The name of the input and what goes in: token ids [n], or embeddings float32 [n, H]."""
        if self._embedding_table is None:
            return "tokens", prompt.tokens
        return "embeddings", prompt.embeddings(self._embedding_table.look_up)

    def _empty_logits(self, count: int) -> Logits:
        """A place for the logits after so many tokens: float32 [count, V]."""
        return np.empty((count, self._engine.package.buffers.dies[-1].vocabulary[1]), np.float32)

    def _read_logits(self, shape: StepShape, logits: Logits) -> None:
        """Copy the first rows of the logits, of which the dies have slices of the vocabulary, into float32 [n, V]."""
        for io, die in zip(self._engine.io_views(shape), self._engine.package.buffers.dies, strict=True):
            start, stop = die.vocabulary
            logits[:, start:stop] = io["logits"].reshape(-1, stop - start)[: len(logits)]


def check_logits(logits: Logits) -> Logits:
    """The same logits [..., V]; raises `StepError` where one is NaN or ∞, or all of a row are −∞."""
    if not np.isfinite(logits.max(axis=-1)).all():
        raise StepError("The model computed logits that are not finite numbers; check the checkpoint's weights.")
    return logits
