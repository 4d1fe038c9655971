"""A slot of the engine's KV cache: room for one sequence, and the lease of whoever may change it."""

from __future__ import annotations

import threading
from collections.abc import Mapping

from tyllm.runtime.cache.cached_prefix import CachedPrefix
from tyllm.runtime.cache.kv_file import Array, copy_kv, max_kv_bytes, read_kv, write_kv
from tyllm.runtime.cache.positions import Positions
from tyllm.runtime.execute.engine import Engine
from tyllm.runtime.prompt.prompt import UNKNOWN, Prompt
from tyllm_base.errors import GenerationError, StepError
from tyllm_base.option_checks import is_whole, shown


class Lease:
    """The right to change a slot, until another call takes it over. It is checked within the lock, before each change.

    Attributes:
        slot: what may be changed.
        start: the slot's length when the lease was given out.
        whole: the length that the slot has when all is fed, where nothing of it counts before; else 0.
    """

    def __init__(self, slot: CacheSlot, start: int = 0, whole: int = 0) -> None:
        """Made by `CacheSlot.take_over`."""
        self.slot, self.start, self.whole = slot, start, whole

    @property
    def settled(self) -> int:
        """How many of the slot's tokens stay when another call takes it over now."""
        return self.start if len(self.slot) < self.whole else len(self.slot)

    def check(self) -> None:
        """Raise `GenerationError` where another call has taken the slot over, or the session is closed."""
        self.slot.check_open()
        if self.slot.lease is not self:
            raise GenerationError("Another call took this conversation over; give each conversation a slot of its own.")

    def undo(self) -> None:
        """Forget what was fed, unless another call has the slot by now."""
        with self.slot.lock:
            if self.slot.lease is self:
                self.slot.prefix.truncate(self.start)


class CacheSlot:
    """The tokens in a slot, and where they stand. Its length is how many there are: the next token's place.

    Whoever changes it holds `lock`, and has the lease: what `prefix` says is then what the KV cache holds.

    Attributes:
        number: of the slot in the engine.
        positions: what a step is told of where its tokens stand.
        prefix: the tokens.
        lease: that of the last call which took the slot over.
        lock: the engine's, held during a step.
    """

    def __init__(self, engine: Engine, number: int, positions: Positions) -> None:
        self.number, self.positions, self._engine = number, positions, engine
        self.prefix = CachedPrefix()
        self.lease = Lease(self)
        self.lock: threading.RLock = engine.lock

    def __len__(self) -> int:
        return len(self.prefix)

    @property
    def limit(self) -> int:
        """The number of tokens that it holds: max_kv_cache_size."""
        return self._engine.package.buffers.max_kv_cache_size

    @property
    def rows_left(self) -> int:
        """Rows behind the last token, those that only padding may take included."""
        return self._engine.package.buffers.kv_capacity - len(self)

    def shared_length(self, prompt: Prompt) -> int:
        """How many of a prompt's first tokens it holds: the same tokens and images at the same positions."""
        return min(self.prefix.shared_length(prompt), self.positions.shared_length(prompt))

    def check_open(self) -> None:
        """Raise `GenerationError` where the session is closed."""
        self._engine.check_open()

    def take_over(self, kept: int, whole: int = 0) -> Lease:
        """End what another call does in it, and forget all but the first `kept` tokens; the caller holds `lock`.

        Args:
            kept: at most its length.
            whole: the length that it will have when the caller has fed all: whoever takes it over before finds `kept`
                tokens. 0 where all that was fed stays.

        Raises:
            GenerationError: the session is closed.
        """
        self.check_open()
        self.lease = Lease(self, kept, whole)
        self.prefix.truncate(kept)
        return self.lease

    def rewind(self, length: int) -> None:
        """Forget all but the first `length` tokens; raises `GenerationError`."""
        with self.lock:
            count = self.lease.settled
            if not is_whole(length) or not 0 <= length <= count:
                raise GenerationError(f"Cannot rewind to {shown(length)} tokens: the conversation has {count}.")
            self.take_over(int(length))

    def save(self) -> bytes:
        """The tokens, and their rows of the KV cache, as a .npz file."""
        with self.lock:
            return write_kv(self._engine, self.number, self._fed_arrays(self.prefix))

    def restore(self, saved: bytes) -> None:
        """Bring back what `save` gave, of any slot.

        All is checked before anything is changed: where an error is raised, the slot is as it was.

        Raises:
            GenerationError: it is damaged, or another package saved it.
            StepError: compiled code failed.
        """
        arrays = read_kv(self._engine, saved, self._fed_arrays(CachedPrefix()))
        manifest = self._engine.package.manifest
        try:
            prefix = CachedPrefix.from_arrays(
                arrays, range(UNKNOWN if manifest.embedding_as_input else 0, manifest.vocab_size)
            )
            with self.lock:
                self._replace(prefix, arrays)
        except ValueError as error:
            raise GenerationError(f"The saved conversation is damaged ({error}); save it again.") from error

    def _replace(self, prefix: CachedPrefix, arrays: Mapping[str, Array]) -> None:
        """Hold what was restored; whoever is interrupted meanwhile finds the slot empty."""
        self.check_open()
        before = self.prefix, self.lease
        self.prefix, self.lease = CachedPrefix(), Lease(self)
        try:
            self.positions.restore(arrays)
        except (ValueError, StepError):
            self.prefix, self.lease = before
            raise
        copy_kv(self._engine, self.number, arrays)
        self.prefix = prefix

    @property
    def max_saved_bytes(self) -> int:
        """The most bytes that `save` gives."""
        return max_kv_bytes(self._engine, self._fed_arrays(CachedPrefix()))

    def _fed_arrays(self, prefix: CachedPrefix) -> dict[str, Array]:
        """What was fed, to be saved."""
        return prefix.to_arrays() | self.positions.to_arrays(len(prefix))
