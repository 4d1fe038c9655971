"""A conversation: one slot, fed by hand."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from tyllm.runtime.cache.slot import CacheSlot
from tyllm.runtime.generation.log_probs import logprobs_of
from tyllm.runtime.generation.prompt_check import check_prompt, check_room
from tyllm.runtime.prompt.prompt import Embeddings, Prompt
from tyllm.runtime.prompt.prompt import token_ids as as_token_ids
from tyllm.runtime.step.model_runner import Logits, ModelRunner, check_logits
from tyllm.runtime.step.prefill import feed, schedule_every_logits
from tyllm_base.atomic_files import atomic_file
from tyllm_base.doors import Door
from tyllm_base.errors import GenerationError, OutputError, PackageError
from tyllm_base.regular_file import read_regular_file
from tyllm_base.user_path import user_path


class Conversation:
    """The tokens in a slot, and methods that feed more, save and restore.

    Whatever changes them takes the slot over: what another call still does there, in any thread, ends with a
    `GenerationError`.
    """

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
            GenerationError: no token, one outside the vocabulary, or more than the cache has room for; another call
                took the slot over, or the session is closed.
            StepError: compiled code failed.
        """
        return self._feed(Prompt.of(prompt), afresh=False)

    @Door(PackageError)
    def begin(self, prompt: Sequence[int] | Prompt) -> Logits:
        """As `append`, of a fresh conversation: the tokens in the cache are forgotten."""
        return self._feed(Prompt.of(prompt), afresh=True)

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
        token_ids = as_token_ids(token_ids)
        if len(token_ids) < 2:
            raise GenerationError(f"{len(token_ids)} tokens have no likelihood to measure, give 2 or more.")
        check_prompt(Prompt.of(token_ids), self._runner.manifest)
        check_room(Prompt.of(token_ids), 0, self.limit)
        fed = token_ids[:-1]  # nothing is asked after the last one
        found: list[npt.NDArray[np.float64]] = []
        done = 1
        for logits in self.every_logits(fed, after=()):
            found.append(logprobs_of(logits, token_ids[done : done + len(logits)]).of_tokens)
            done += len(logits)
        return np.concatenate(found).astype(np.float32)

    def every_logits(self, token_ids: Sequence[int], *, after: Sequence[int] | None = None) -> Iterator[Logits]:
        """Feed tokens as `append` does; the logits after each of them: float32 [n, V] for each chunk in turn.

        The tokens of a chunk count as fed when it has been taken; raises as `append`.

        Args:
            token_ids: what is fed.
            after: what stands before it, which is fed as far as the cache does not hold it; None for all that it holds.
        """
        prompt = Prompt.of(token_ids)
        context = Prompt.of(list(after or ()))
        check_prompt(prompt, self._runner.manifest)
        with self.slot.lock:
            kept = self.slot.lease.settled if after is None else self.slot.shared_length(context)
            check_room(prompt, max(kept, len(context)), self.limit)
            lease = self.slot.take_over(kept)
        if kept < len(context):
            check_prompt(context[kept:], self._runner.manifest)
            feed(self._runner, lease, context[kept:])
        for chunk in schedule_every_logits(lease, prompt, self._runner):
            (logits,) = self._runner.step([chunk])
            yield check_logits(logits)

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

    def _feed(self, prompt: Prompt, *, afresh: bool) -> Logits:
        """All of a prompt or nothing."""
        check_prompt(prompt, self._runner.manifest)
        with self.slot.lock:
            before = 0 if afresh else self.slot.lease.settled
            check_room(prompt, before, self.limit)
            lease = self.slot.take_over(before, before + len(prompt))
        try:
            return feed(self._runner, lease, prompt)
        except BaseException:
            lease.undo()
            raise
