"""The engine of a package: its memory, and nothing left behind."""

import threading

import pytest

from tyllm.runtime import LLM, request_engine
from tyllm.runtime.generation.sampling_params import SamplingParams
from tyllm_base.errors import SettingError


def test_memory_that_holds_no_conversation(toy, descriptors):
    before = descriptors(), threading.active_count()
    with pytest.raises(SettingError, match="10 bytes hold no conversation; give a kv_cache_memory of"):
        LLM(toy(dies=2), 2, kv_cache_memory=10)
    assert (descriptors(), threading.active_count()) == before


def test_memory_is_that_of_slots_that_hold_something(toy, monkeypatch):
    pools = []

    class Pool(request_engine.SlotPool):
        def __init__(self, *arguments):
            super().__init__(*arguments)
            pools.append(self)

    monkeypatch.setattr(request_engine, "SlotPool", Pool)
    with LLM(toy(dies=2), 2, max_num_seqs=2, kv_cache_memory="2KiB") as llm:
        (pool,) = pools
        assert pool.used_bytes == 0 and pool.budget == 2048
        llm.generate([[n] * 9 for n in range(20)], SamplingParams(max_new_tokens=3, ignore_eos=True), progress=False)
        assert 0 < pool.used_bytes <= 2048
