"""What goes onto the cache comes off it, in order, and nothing older."""

import os
from pathlib import Path

import pytest
import torch

from awq.work.activation_cache import ActivationCache
from tyllm_base.errors import OutputError


@pytest.fixture
def cache(tmp_path):
    return ActivationCache(tmp_path, torch.device("cpu"))


def test_batches_come_back_in_order_however_they_are_cut(cache):
    first, second = torch.randn(10, 3), torch.randn(10, 5)
    for start in range(0, 10, 4):
        cache.append("mlp.up_proj", first[start : start + 4])
        cache.append("mlp.down_proj", second[start : start + 4])
    assert torch.equal(torch.cat(list(cache.batches("mlp.up_proj", 4))), first)
    found = list(cache.batches("mlp.down_proj", 3))
    assert [len(x) for x in found] == [3, 3, 3, 1] and torch.equal(torch.cat(found), second)


def test_what_is_read_may_be_changed(cache):
    cache.append("a", torch.ones(4, 2))
    for x in cache.batches("a", 2):
        x /= 2
    assert torch.equal(torch.cat(list(cache.batches("a", 4))), torch.ones(4, 2))


def test_slices_are_appended_as_they_are_seen(cache):
    x = torch.randn(6, 8)
    cache.append("a", x[:, 2:5])
    assert torch.equal(next(cache.batches("a", 6)), x[:, 2:5])


def test_what_a_killed_run_left_is_overwritten(cache, tmp_path):
    (tmp_path / "a.activations").write_bytes(b"\1" * 1000)
    cache.append("a", torch.zeros(2, 3))
    assert torch.equal(torch.cat(list(cache.batches("a", 1))), torch.zeros(2, 3))


def test_erasing_leaves_nothing_and_the_cache_can_be_used_again(cache, tmp_path):
    cache.append("a", torch.zeros(2, 3))
    cache.clear()
    assert list(tmp_path.iterdir()) == []
    cache.append("a", torch.ones(1, 4))
    assert torch.equal(next(cache.batches("a", 9)), torch.ones(1, 4))


def test_a_folder_that_is_not_there_is_an_output_error(tmp_path):
    with pytest.raises(OutputError, match="Cannot write"):
        ActivationCache(tmp_path / "no", torch.device("cpu")).append("a", torch.zeros(1, 1))


def test_what_cannot_be_read_or_was_cut_is_told(cache, tmp_path, monkeypatch):
    """A batch that is missing would give other weights, silently."""
    cache.append("a", torch.zeros(4, 1024))
    file = tmp_path / "a.activations"
    with file.open("r+b") as cut:
        cut.truncate(3 * 4096)
    with pytest.raises(OutputError, match=r"a\.activations was cut short .*; run again\.$"):
        list(cache.batches("a", 2))
    opened = Path.open

    def failing(path, *arguments):
        return os.fdopen(os.open("/proc/self/mem", os.O_RDONLY), "rb") if path == file else opened(path, *arguments)

    monkeypatch.setattr(Path, "open", failing)  # whose first byte cannot be read: EIO
    with pytest.raises(OutputError, match=r"Cannot read .*a\.activations: the disk"):
        list(cache.batches("a", 2))
