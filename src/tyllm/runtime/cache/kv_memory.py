"""How much memory the tokens in a slot take, and how much all slots may take together."""

from __future__ import annotations

import math
import re
from math import prod
from numbers import Integral

from tyllm.package import BufferConfig
from tyllm_base.available_memory import available_memory
from tyllm_base.errors import SettingError
from tyllm_base.option_checks import shown

PAGE = 4096
SHARE = 0.6
"""Of the memory that is available when a package has been opened, what the KV cache may take by default."""
UNITS = {"": 1, "B": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}
SIZE = re.compile(r"(\d+(?:\.\d+)?) *([KMGT]?)(?:i?B)?", re.IGNORECASE)


class KvMemory:
    """Bytes of slots by the number of their tokens; slots cost memory by the page, as they fill.

    Attributes:
        slot_bytes: of a full slot, all dies together.
    """

    def __init__(self, buffers: BufferConfig) -> None:
        self.slot_bytes = sum(die.kv_bytes for die in buffers.dies)
        capacity, self._row_bytes, self._heads = buffers.kv_capacity, 0, 0
        for die in buffers.dies:
            for layer in die.layers:
                for entry in layer.tensors(capacity).values():
                    self._row_bytes += entry.nbytes // capacity
                    self._heads += prod(entry.shape[:1])

    def bytes_of(self, tokens: int) -> int:
        """The most that a slot takes which has held so many tokens: each head's rows begin and end within a page."""
        return min(self.slot_bytes, tokens * self._row_bytes + self._heads * PAGE) if tokens else 0

    def tokens_in(self, nbytes: int) -> int:
        """At least as many tokens as a saved slot of so many bytes has."""
        return nbytes // self._row_bytes + 1


def memory_budget(given: int | str | None) -> int:
    """Bytes for all slots: a number of bytes, a text such as "4GiB" or "512M", or None for `SHARE` of what there is.

    Raises:
        SettingError: it is none of these, or not positive.
    """
    if given is None:
        return int(available_memory() * SHARE)
    found = _parsed(given)
    if found is None or found < 1:
        raise SettingError(
            f"kv_cache_memory is {shown(given)}; give a number of bytes, a text such as '4GiB', or None for "
            f"{SHARE:.0%} of the memory that is available."
        )
    return found


def _parsed(given: object) -> int | None:
    if isinstance(given, str):
        matched = SIZE.fullmatch(given.strip())
        found = float(matched[1]) * UNITS[matched[2].upper()] if matched else math.inf
        return int(found) if math.isfinite(found) else None
    return int(given) if isinstance(given, Integral) and not isinstance(given, bool) else None
