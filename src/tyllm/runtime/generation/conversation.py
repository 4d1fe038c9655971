"""A conversation: one slot, fed by hand."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from tyllm.runtime.cache.slot import CacheSlot
from tyllm.runtime.generation.log_probs import log_sum_exp
from tyllm.runtime.generation.prompt_check import check_prompt
from tyllm.runtime.prompt.prompt import Embeddings, Prompt
from tyllm.runtime.step.model_runner import Logits, ModelRunner
from tyllm.runtime.step.prefill import feed, schedule_chunks
from tyllm_base.atomic_files import atomic_file
from tyllm_base.doors import Door
from tyllm_base.errors import GenerationError, OutputError, PackageError
from tyllm_base.regular_file import read_regular_file
from tyllm_base.user_path import user_path


class Conversation:
    """The tokens in a slot, and methods that feed more, save and restore."""

    def __init__(self, slot: CacheSlot, runner: ModelRunner) -> None:
        self.slot, self._runner = slot, runner

    @property
    def tokens(self) -> list[int]:
        """The tokens in the cache; placeholders for images, `UNKNOWN` for embeddings of the caller's own making."""
        return list(self.slot.prefix.tokens)

    def __len__(self) -> int:
        return len(self.slot)

    @property
    def limit(self) -> int:
        """The number of tokens that the cache holds: max_kv_cache_size."""
        return self.slot.limit

    @Door(PackageError)
    def append(self, prompt: Sequence[int] | Prompt) -> Logits:
        """Feed tokens, and images among them, after those in the cache; the logits float32 [V] of the last one.

        Nothing of them is kept where a step fails.

        Raises:
            GenerationError: no token, one outside the vocabulary, or more than the cache has room for.
            StepError: compiled code failed.
        """
        prompt, before = Prompt.of(prompt), len(self)
        self.check(prompt)
        try:
            return feed(self._runner, self.slot, prompt)
        except BaseException:
            self.rewind(before)
            raise

    def append_embeddings(self, embeddings: Embeddings) -> Logits:
        """Feed embeddings float32 [n, H] of the caller's own making; raises as `append`, and `SettingError`."""
        return self.append(Prompt.of_embeddings(embeddings))

    def shared_length(self, prompt: Prompt) -> int:
        """How many of a prompt's first tokens the cache holds: the same tokens and images at the same positions."""
        return self.slot.shared_length(prompt)

    @Door(PackageError)
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

        The head runs once a token. The tokens of a chunk count as fed when it has been taken; raises as `append`.
        """
        self.check(token_ids)
        for chunk in schedule_chunks(self.slot, Prompt.of(token_ids), self._runner):
            yield self._runner.logits_of_each_token(chunk)

    @Door(PackageError)
    def rewind(self, length: int) -> None:
        """Forget all but the first `length` tokens; raises `GenerationError`."""
        self.slot.rewind(length)

    def reset(self) -> None:
        """Forget all tokens."""
        self.rewind(0)

    @Door(PackageError)
    def save(self) -> bytes:
        """The tokens and their KV cache as a .npz file."""
        return self.slot.save()

    @Door(PackageError)
    def restore(self, saved: bytes) -> None:
        """Bring back what `save` gave, in this slot; where that fails, the conversation is as it was.

        Raises:
            GenerationError: it is damaged, or another package saved it.
            StepError: compiled code failed.
        """
        self.slot.restore(saved)

    def save_to(self, path: str | Path) -> None:
        """Write what `save` gives to a file, which appears whole or not at all; raises `OutputError`."""
        file = user_path(path, OutputError)
        with atomic_file(file) as temporary:
            temporary.write_bytes(self.save())

    def restore_from(self, path: str | Path) -> None:
        """As `restore`, of a file; raises `GenerationError` too where there is none that can be read."""
        file = user_path(path, GenerationError)
        self.restore(read_regular_file(file, GenerationError, "give what save_to wrote", self.slot.max_saved_bytes))

    def check(self, prompt: Sequence[int] | Prompt) -> None:
        """Raise `GenerationError` unless this can be appended; `SettingError` for embeddings to a package of tokens."""
        check_prompt(Prompt.of(prompt), self.slot, self._runner.manifest)
