"""Freed memory goes back to the system."""

import re
from pathlib import Path

import pytest
import torch

from awq.memory import release, return_large_blocks


def anonymous() -> int:
    """Resident anonymous memory of this process in MiB."""
    return int(re.search(r"RssAnon:\s+(\d+)", Path("/proc/self/status").read_text())[1]) // 1024


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs Linux's /proc")
def test_freed_tensors_leave_the_process():
    before = anonymous()
    kept = [torch.ones(24 * 1024) for _ in range(2000)][::50]  # 96 KiB each: under malloc's threshold for own mappings
    release()
    assert len(kept) == 40 and anonymous() < before + 100


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs Linux's /proc")
def test_large_blocks_leave_at_once():
    return_large_blocks()
    for _ in range(3):
        kept = [torch.ones(4 << 20) for _ in range(12)][1::5]  # 16 MiB each, which glibc would begin to keep
        between = anonymous()
        del kept
        assert anonymous() < between - 40
