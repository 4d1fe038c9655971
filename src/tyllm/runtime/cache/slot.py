"""A slot of the engine's KV cache: room for one sequence."""

from __future__ import annotations

from collections.abc import Mapping

from tyllm.runtime.cache.cached_prefix import CachedPrefix
from tyllm.runtime.cache.kv_file import Array, copy_kv, max_kv_bytes, read_kv, write_kv
from tyllm.runtime.cache.positions import Positions
from tyllm.runtime.execute.engine import Engine
from tyllm.runtime.prompt.prompt import UNKNOWN, Prompt
from tyllm_base.errors import GenerationError, StepError


class CacheSlot:
    """The tokens in a slot, and where they stand. Its length is how many there are: the next token's place.

    Attributes:
        number: of the slot in the engine.
        positions: what a step is told of where its tokens stand.
        prefix: the tokens.
        owner: the sequence that is generated in it; another taking the slot over ends that. None for nobody.
    """

    def __init__(self, engine: Engine, number: int, positions: Positions) -> None:
        self.number, self.positions, self._engine = number, positions, engine
        self.prefix = CachedPrefix()
        self.owner: object = None

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

    def rewind(self, length: int) -> None:
        """Forget all but the first `length` tokens; raises `GenerationError`."""
        if not isinstance(length, int) or not 0 <= length <= len(self):
            raise GenerationError(f"Cannot rewind to {length} tokens: the conversation has {len(self)}.")
        self.prefix.truncate(length)

    def save(self) -> bytes:
        """The tokens, and their rows of the KV cache, as a .npz file."""
        with self._engine.lock:
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
            with self._engine.lock:
                self._replace(prefix, arrays)
        except ValueError as error:
            raise GenerationError(f"The saved conversation is damaged ({error}); save it again.") from error

    def _replace(self, prefix: CachedPrefix, arrays: Mapping[str, Array]) -> None:
        """Hold what was restored; whoever is interrupted meanwhile finds the slot empty."""
        before, self.prefix = self.prefix, CachedPrefix()
        try:
            self.positions.restore(arrays)
        except (ValueError, StepError):
            self.prefix = before
            raise
        copy_kv(self._engine, self.number, arrays)
        self.prefix, self.owner = prefix, None

    @property
    def max_saved_bytes(self) -> int:
        """The most bytes that `save` gives."""
        return max_kv_bytes(self._engine, self._fed_arrays(CachedPrefix()))

    def _fed_arrays(self, prefix: CachedPrefix) -> dict[str, Array]:
        """What was fed, to be saved."""
        return prefix.to_arrays() | self.positions.to_arrays(len(prefix))
