"""A conversation: one slot's KV cache, and what was fed into it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

from tyllm.runtime.cache.cached_prefix import Record
from tyllm.runtime.cache.chunks import Chunk, cover
from tyllm.runtime.cache.kv_file import copy_kv, read_kv, write_kv
from tyllm.runtime.cache.positions import Positions
from tyllm.runtime.execute.engine import Engine
from tyllm.runtime.prompt.embedding import Embedding
from tyllm.runtime.prompt.prompt import UNKNOWN, Embeddings, Prompt
from tyllm_errors import GenerationError, SettingError, StepError

__all__ = ["UNKNOWN", "Conversation", "Embeddings", "Logits", "log_sum_exp"]
Logits = npt.NDArray[np.float32]


class Conversation:
    """The state of a slot. All methods that feed return or keep nothing of a step that failed."""

    def __init__(self, engine: Engine, slot: int, embedding: Embedding | None, positions: Positions) -> None:
        self._engine, self._slot, self._embedding, self._positions = engine, slot, embedding, positions
        self._record = Record()
        self.owner: object = None  # whoever generates in it now; another taking it over ends that

    @property
    def tokens(self) -> list[int]:
        """The tokens in the cache; placeholders for images, `UNKNOWN` for embeddings of the caller's own making."""
        return list(self._record.tokens)

    def __len__(self) -> int:
        return len(self._record)

    @property
    def limit(self) -> int:
        """How many tokens the cache holds: max_kv_cache_size."""
        return self._engine.package.buffers.max_kv_cache_size

    def append(self, prompt: Sequence[int] | Prompt) -> Logits:
        """Feed tokens, and images among them, after those in the cache; the logits float32 [V] of the last one.

        Raises:
            GenerationError: no token, one outside the vocabulary, or more than the cache has room for.
            StepError: compiled code failed.
        """
        prompt = Prompt.of(prompt)
        self.check(prompt)
        return self._feed(prompt)

    def append_embeddings(self, embeddings: Embeddings) -> Logits:
        """Feed embeddings float32 [n, H] of the caller's own making; raises as `append`, and `SettingError`."""
        return self.append(Prompt.of_embeddings(embeddings))

    def common(self, prompt: Prompt) -> int:
        """How many of a prompt's first tokens the cache holds: the same tokens and images in the same places."""
        return min(self._record.common(prompt), self._positions.common(prompt))

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
        prompt, vocabulary = Prompt.of(token_ids), self._engine.package.manifest.vocab_size
        for chunk in self._cover(len(prompt)):
            logits = np.empty((chunk.count, vocabulary), np.float32)
            with self._engine.lock:  # another step would overwrite the hidden states that the head reads
                for row in range(chunk.count):
                    logits[row] = self._run(chunk, prompt, body=row == 0, row=row)
            yield logits
        self._record.add(prompt)

    def rewind(self, length: int) -> None:
        """Forget all but the first `length` tokens; raises `GenerationError`."""
        if not 0 <= length <= len(self):
            raise GenerationError(f"Cannot rewind to {length} tokens: the conversation has {len(self)}.")
        self._record.cut(length)

    def reset(self) -> None:
        """Forget all tokens."""
        self.rewind(0)

    def save(self) -> bytes:
        """What was fed, and its KV cache, as a .npz file."""
        with self._engine.lock:
            fed = self._record.arrays() | self._positions.arrays(len(self))
            return write_kv(self._engine, self._slot, fed)

    def restore(self, saved: bytes) -> None:
        """Bring back what `save` gave, in this slot; raises `GenerationError` for what another package saved."""
        arrays = read_kv(self._engine, saved)
        with self._engine.lock:
            copy_kv(self._engine, self._slot, arrays)
            self._positions.restore(arrays)
            self._record = Record.of(arrays)

    def check(self, prompt: Sequence[int] | Prompt) -> None:
        """Raise `GenerationError` unless this can be appended; `SettingError` for embeddings to a package of tokens."""
        prompt = Prompt.of(prompt)
        self._check_inserts(prompt)
        vocabulary = self._engine.package.manifest.vocab_size
        least = UNKNOWN if any(insert.digest is None for insert in prompt.inserts) else 0
        outside = next((token for token in prompt.tokens if not least <= token < vocabulary), None)
        if outside is not None:
            raise GenerationError(f"Token {outside} is outside the vocabulary, give ids from 0 to {vocabulary - 1}.")
        self._check_room(prompt)

    def _check_inserts(self, prompt: Prompt) -> None:
        if prompt.inserts and self._embedding is None:
            raise SettingError("This package takes token ids; compile it with embedding_as_input to feed embeddings.")
        hidden = self._engine.package.manifest.hidden_size
        for insert in prompt.inserts:
            if len(insert.shape) != 2 or insert.shape[1] != hidden:
                raise GenerationError(f"Embeddings of shape {list(insert.shape)} do not fit, give [n, {hidden}].")

    def _check_room(self, prompt: Prompt) -> None:
        count = len(prompt)
        if count == 0:
            raise GenerationError("The prompt has no tokens; give at least one.")
        if len(self) + count <= self.limit:
            return
        before, cure = f" after {len(self)} in the cache" if len(self) else "", "shorten the prompt or"
        of_images = sum(insert.shape[0] for insert in prompt.inserts if insert.digest is not None)
        if of_images:
            before, cure = f" ({of_images} of images){before}", "give fewer images or words, or"
        raise GenerationError(
            f"{count} tokens{before} are more than the {self.limit} that the cache holds; "
            f"{cure} compile the model with a larger max_kv_cache_size."
        )

    def _cover(self, count: int) -> list[Chunk]:
        return cover(count, self._engine.seq_lens, self._engine.package.buffers.kv_capacity - len(self))

    def _feed(self, prompt: Prompt) -> Logits:
        chunks = self._cover(len(prompt))
        for chunk in chunks:
            logits = self._run(chunk, prompt, head=chunk is chunks[-1], row=chunk.count - 1)
        self._record.add(prompt)
        return logits

    def _run(self, chunk: Chunk, prompt: Prompt, *, row: int, body: bool = True, head: bool = True) -> Logits:
        """One step; the logits of `row` where the head ran. All within the lock: io belongs to every conversation."""
        with self._engine.lock:
            if body:
                self._write_inputs(chunk, prompt)
            for io in self._engine.views(chunk.seq_len):
                io["row"][0] = row
            self._engine.step(chunk.seq_len, self._slot, body=body, head=head)
            return self._read_logits(chunk.seq_len) if head else np.empty(0, np.float32)

    def _write_inputs(self, chunk: Chunk, prompt: Prompt) -> None:
        """The chunk's inputs for every die; padding is token 0 or a zero embedding."""
        start, part = len(self) + chunk.start, prompt[chunk.start : chunk.start + chunk.count]
        self._positions.place(len(self), prompt)
        embeddings = part.embeddings(self._embedding.rows) if self._embedding else None
        for io in self._engine.views(chunk.seq_len):
            name, values = ("tokens", part.tokens) if embeddings is None else ("embeddings", embeddings)
            io[name][0, : chunk.count] = values
            io[name][0, chunk.count :] = 0
            io["position"][0] = start
            self._positions.write(io, start, chunk.seq_len)

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
