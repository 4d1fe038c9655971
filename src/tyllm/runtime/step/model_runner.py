"""Runs steps: the tokens that were scheduled go into the engine's inputs, logits come out, and the slots hold more."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tyllm.runtime.cache.slot import CacheSlot
from tyllm.runtime.execute.engine import Engine
from tyllm.runtime.prompt.embedding_table import EmbeddingTable
from tyllm.runtime.prompt.prompt import Prompt
from tyllm_base.errors import StepError

Logits = npt.NDArray[np.float32]


@dataclass(frozen=True)
class ScheduledChunk:
    """The tokens of one sequence that a step feeds.

    Attributes:
        slot: holds the tokens before them.
        prompt: the tokens, at least 1 and at most `seq_len`.
        seq_len: of the program that takes them; the rest of it is padding.
        wants_logits: whether the logits after the last of them are computed.
    """

    slot: CacheSlot
    prompt: Prompt
    seq_len: int
    wants_logits: bool = True


class ModelRunner:
    """Runs steps on an engine. It knows slots and chunks, and nothing of what becomes of the logits."""

    def __init__(self, engine: Engine, embedding_table: EmbeddingTable | None) -> None:
        self._engine, self._embedding_table = engine, embedding_table
        self.seq_lens, self.manifest = engine.seq_lens, engine.package.manifest

    def step(self, batch: Sequence[ScheduledChunk]) -> list[Logits | None]:
        """Feed a chunk of each of several sequences, one after the other, since a program takes one today.

        Returns:
            For each chunk the logits float32 [V] after its last token, or None where they were not wanted.

        Raises:
            StepError: compiled code failed, or computed what is no number; that sequence's slot is as before.
        """
        return [self._feed(chunk) for chunk in batch]

    def logits_of_each_token(self, chunk: ScheduledChunk) -> Logits:
        """Feed a chunk; the logits float32 [n, V] after each of its n tokens. The head runs once a token."""
        logits = np.empty((len(chunk.prompt), self.manifest.vocab_size), np.float32)
        with self._engine.lock:  # another step would overwrite the hidden states that the head reads
            self._write_inputs(chunk)
            for row in range(len(logits)):
                self._run(chunk, row, body=row == 0, head=True)
                logits[row] = self._read_logits(chunk.seq_len)
            chunk.slot.prefix.extend(chunk.prompt)
        return logits

    def _feed(self, chunk: ScheduledChunk) -> Logits | None:
        """All within the lock: the engine's inputs and outputs belong to every sequence."""
        with self._engine.lock:
            self._write_inputs(chunk)
            self._run(chunk, len(chunk.prompt) - 1, body=True, head=chunk.wants_logits)
            logits = self._read_logits(chunk.seq_len) if chunk.wants_logits else None
            chunk.slot.prefix.extend(chunk.prompt)
            return logits

    def _run(self, chunk: ScheduledChunk, row: int, *, body: bool, head: bool) -> None:
        """Run a program on its inputs; the head reads the hidden state of token `row`."""
        for io in self._engine.io_views(chunk.seq_len):
            io["row"][0] = row
        self._engine.step(chunk.seq_len, chunk.slot.number, body=body, head=head)

    def _write_inputs(self, chunk: ScheduledChunk) -> None:
        """The chunk's inputs for every die; padding is token 0 or a zero embedding."""
        name, values = self._values(chunk.prompt)
        start, count = len(chunk.slot), len(chunk.prompt)
        for io in self._engine.io_views(chunk.seq_len):
            io[name][0, :count] = values
            io[name][0, count:] = 0
            io["position"][0] = start
            chunk.slot.positions.write_inputs(io, start, chunk.seq_len)

    def _values(self, prompt: Prompt) -> tuple[str, npt.ArrayLike]:
        """The name of the input and what goes in: token ids [n], or embeddings float32 [n, H]."""
        if self._embedding_table is None:
            return "tokens", prompt.tokens
        return "embeddings", prompt.embeddings(self._embedding_table.look_up)

    def _read_logits(self, seq_len: int) -> Logits:
        """The dies' slices of the vocabulary, joined: float32 [V]."""
        logits = np.concatenate([io["logits"].reshape(-1) for io in self._engine.io_views(seq_len)])
        if np.isnan(logits.max()):
            raise StepError("The model computed logits that are not numbers; check the checkpoint's weights.")
        return logits
