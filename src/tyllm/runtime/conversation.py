"""A conversation: one slot's KV cache, and what was fed into it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

from tyllm.errors import GenerationError, SettingError, StepError
from tyllm.runtime.chunks import Chunk, cover
from tyllm.runtime.embedding import Embedding
from tyllm.runtime.engine import Engine
from tyllm.runtime.kv_file import copy_kv, read_kv, write_kv

Logits = npt.NDArray[np.float32]
Embeddings = npt.NDArray[np.float32]
UNKNOWN = -1  # the token of a position that was fed as an embedding


class Conversation:
    """The state of a slot. All methods that feed return or keep nothing of a step that failed."""

    def __init__(self, engine: Engine, slot: int, embedding: Embedding | None) -> None:
        self._engine, self._slot, self._embedding = engine, slot, embedding
        self._tokens: list[int] = []
        self.owner: object = None  # whoever generates in it now; another taking it over ends that

    @property
    def tokens(self) -> list[int]:
        """The tokens in the cache; `UNKNOWN` where an embedding was fed."""
        return list(self._tokens)

    def __len__(self) -> int:
        return len(self._tokens)

    @property
    def limit(self) -> int:
        """How many tokens the cache holds: max_kv_cache_size."""
        return self._engine.package.buffers.max_kv_cache_size

    def append(self, token_ids: Sequence[int]) -> Logits:
        """Feed tokens after those in the cache; the logits float32 [V] of the last one.

        Raises:
            GenerationError: no token, one outside the vocabulary, or more than the cache has room for.
            StepError: compiled code failed.
        """
        self.check(token_ids)
        return self._feed(list(token_ids), None)

    def append_embeddings(self, embeddings: Embeddings) -> Logits:
        """Feed embeddings float32 [n, H] of the caller's own making; raises as `append`."""
        self.check_embeddings(embeddings)
        rows = np.ascontiguousarray(embeddings, np.float32)
        return self._feed([UNKNOWN] * len(rows), rows)

    def log_probs(self, token_ids: Sequence[int]) -> npt.NDArray[np.float32]:
        """Log-probability of each token but the first, given those before it: float32 [n - 1], a fresh conversation.

        Raises:
            GenerationError: as `append`, or fewer than 2 tokens.
        """
        if len(token_ids) < 2:
            raise GenerationError(f"{len(token_ids)} tokens have no likelihood to measure, give 2 or more.")
        fed = list(token_ids[:-1])  # nothing is asked after the last one
        result: list[float] = []
        self.reset()
        self.check(token_ids)
        for logits in self.every_logits(fed):
            expected = token_ids[len(result) + 1 : len(result) + 1 + len(logits)]
            result += [row[token] - log_sum_exp(row) for row, token in zip(logits, expected, strict=True)]
        return np.array(result, np.float32)

    def every_logits(self, token_ids: Sequence[int]) -> Iterator[Logits]:
        """Feed tokens as `append` does; the logits after each of them: float32 [n, V] for each chunk in turn.

        The head runs once a token. The tokens count as fed when the last chunk has been taken; raises as `append`.
        """
        self.check(token_ids)
        tokens, vocabulary = list(token_ids), self._engine.package.manifest.vocab_size
        for chunk in self._cover(len(tokens)):
            logits = np.empty((chunk.count, vocabulary), np.float32)
            with self._engine.lock:  # another step would overwrite the hidden states that the head reads
                for row in range(chunk.count):
                    logits[row] = self._run(chunk, tokens, None, body=row == 0, row=row)
            yield logits
        self._tokens += tokens

    def rewind(self, length: int) -> None:
        """Forget all but the first `length` tokens; raises `GenerationError`."""
        if not 0 <= length <= len(self):
            raise GenerationError(f"Cannot rewind to {length} tokens: the conversation has {len(self)}.")
        del self._tokens[length:]

    def reset(self) -> None:
        """Forget all tokens."""
        self.rewind(0)

    def save(self) -> bytes:
        """The tokens and their KV cache as a .npz file."""
        with self._engine.lock:
            return write_kv(self._engine, self._slot, self._tokens)

    def restore(self, saved: bytes) -> None:
        """Bring back what `save` gave, in this slot; raises `GenerationError` for what another package saved."""
        tokens, arrays = read_kv(self._engine, saved)
        with self._engine.lock:
            copy_kv(self._engine, self._slot, arrays)
            self._tokens = tokens

    def check(self, token_ids: Sequence[int]) -> None:
        """Raise `GenerationError` unless these tokens can be appended."""
        vocabulary = self._engine.package.manifest.vocab_size
        outside = next((token for token in token_ids if not 0 <= token < vocabulary), None)
        if outside is not None:
            raise GenerationError(f"Token {outside} is outside the vocabulary, give ids from 0 to {vocabulary - 1}.")
        self._check_room(len(token_ids))

    def check_embeddings(self, embeddings: Embeddings) -> None:
        """Raise `SettingError` or `GenerationError` unless these embeddings can be appended."""
        if self._embedding is None:
            raise SettingError("This package takes token ids; compile it with embedding_as_input to feed embeddings.")
        hidden = self._engine.package.manifest.hidden_size
        if embeddings.ndim != 2 or embeddings.shape[1] != hidden:
            raise GenerationError(f"Embeddings of shape {list(embeddings.shape)} do not fit, give [n, {hidden}].")
        self._check_room(len(embeddings))

    def _check_room(self, count: int) -> None:
        if count == 0:
            raise GenerationError("The prompt has no tokens; give at least one.")
        if len(self) + count > self.limit:
            before = f" after {len(self)} in the cache" if len(self) else ""
            raise GenerationError(
                f"{count} tokens{before} are more than the {self.limit} that the cache holds; "
                "shorten the prompt or compile the model with a larger max_kv_cache_size."
            )

    def _cover(self, count: int) -> list[Chunk]:
        return cover(count, self._engine.seq_lens, self._engine.package.buffers.kv_capacity - len(self))

    def _feed(self, tokens: list[int], embeddings: Embeddings | None) -> Logits:
        chunks = self._cover(len(tokens))
        for chunk in chunks:
            logits = self._run(chunk, tokens, embeddings, head=chunk is chunks[-1], row=chunk.count - 1)
        self._tokens += tokens
        return logits

    def _run(
        self, chunk: Chunk, tokens: list[int], embeddings: Embeddings | None,
        *, row: int, body: bool = True, head: bool = True,
    ) -> Logits:  # fmt: skip
        """One step; the logits of `row` where the head ran. All within the lock: io belongs to every conversation."""
        with self._engine.lock:
            if body:
                part = slice(chunk.start, chunk.start + chunk.count)
                self._write_inputs(chunk, tokens[part], None if embeddings is None else embeddings[part])
            for io in self._engine.views(chunk.seq_len):
                io["row"][0] = row
            self._engine.step(chunk.seq_len, self._slot, body=body, head=head)
            return self._read_logits(chunk.seq_len) if head else np.empty(0, np.float32)

    def _write_inputs(self, chunk: Chunk, tokens: list[int], embeddings: Embeddings | None) -> None:
        """The chunk's inputs for every die; padding is token 0 or a zero embedding."""
        position = len(self) + chunk.start
        if self._embedding is not None and embeddings is None:
            embeddings = self._embedding.rows(tokens)
        for io in self._engine.views(chunk.seq_len):
            name, values = ("tokens", tokens) if embeddings is None else ("embeddings", embeddings)
            io[name][0, : chunk.count] = values
            io[name][0, chunk.count :] = 0
            io["positions"][0] = np.arange(position, position + chunk.seq_len)
            io["position"][0] = position

    def _read_logits(self, seq_len: int) -> Logits:
        """The dies' slices of the vocabulary, joined."""
        logits = np.concatenate([io["logits"].reshape(-1) for io in self._engine.views(seq_len)])
        if np.isnan(logits.max()):
            raise StepError("The model computed logits that are not numbers; check the checkpoint's weights.")
        return logits


def log_sum_exp(logits: Logits) -> float:
    """The logarithm of the sum of exponentials, in float64."""
    top = float(logits.max())
    return top + float(np.log(np.exp(logits.astype(np.float64) - top).sum()))
