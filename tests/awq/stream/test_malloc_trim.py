"""Freed memory goes back to the system."""

import re
import types
from pathlib import Path

import pytest
import torch

import awq.stream.malloc_trim
from awq.stream.malloc_trim import return_large_blocks, trim_freed_memory


def anonymous() -> int:
    """Resident anonymous memory of this process in MiB."""
    return int(re.search(r"RssAnon:\s+(\d+)", Path("/proc/self/status").read_text())[1]) // 1024


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs Linux's /proc")
def test_freed_tensors_leave_the_process():
    before = anonymous()
    kept = [torch.ones(24 * 1024) for _ in range(2000)][::50]  # 96 KiB each: under malloc's threshold for own mappings
    trim_freed_memory()
    assert len(kept) == 40 and anonymous() < before + 100


def test_glibc_is_told_to_return_large_blocks(monkeypatch):
    told = []
    glibc = types.SimpleNamespace(malloc_trim=None, mallopt=lambda *setting: told.append(setting))
    monkeypatch.setattr(awq.stream.malloc_trim, "_c_library", lambda: glibc)
    return_large_blocks()
    assert told == [(-3, 8 << 20)]  # M_MMAP_THRESHOLD
    monkeypatch.setattr(awq.stream.malloc_trim, "_c_library", lambda: None)
    return_large_blocks()  # on Windows there is nothing to tell
