"""Memory of slots: by the page, at most the whole slot; budgets as bytes and as text."""

from contextlib import closing

import numpy as np
import pytest

from tyllm.package import open_package
from tyllm.runtime.cache import kv_memory
from tyllm.runtime.cache.kv_memory import KvMemory, memory_budget
from tyllm_base.errors import SettingError


def test_bytes_grow_with_tokens_up_to_the_slot(toy):
    with closing(open_package(toy(dies=2, max_kv_cache_size=65536))) as package:
        memory = KvMemory(package.buffers)
        slot, capacity = sum(die.kv_bytes for die in package.buffers.dies), package.buffers.kv_capacity
    assert memory.bytes_of(0) == 0
    assert memory.bytes_of(1000) - memory.bytes_of(0) == 1000 * 2 * 4 + 4 * 4096  # keys and values on two dies, 2 bytes
    assert memory.bytes_of(capacity) == memory.bytes_of(10**9) == memory.slot_bytes == slot


@pytest.mark.parametrize(
    ("given", "found"),
    [
        (5, 5),
        ("5", 5),
        (np.int64(6), 6),
        ("4GiB", 4 << 30),
        ("4 GB", 4 << 30),
        ("1.5k", 1536),
        ("2M", 2 << 20),
        (None, 600),
    ],
)
def test_budgets(given, found, monkeypatch):
    monkeypatch.setattr(kv_memory, "available_memory", lambda: 1000)
    assert memory_budget(given) == found


@pytest.mark.parametrize(
    "given", [0, -1, "", "much", "4 apples", True, 1.5, "-4G", [1], "1" * 500, pytest.param(-(10**5000), id="digits")]
)
def test_what_is_no_budget(given):
    with pytest.raises(SettingError, match="kv_cache_memory is"):
        memory_budget(given)
