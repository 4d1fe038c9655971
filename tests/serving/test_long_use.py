"""2,000 requests over the toy model: none differs from the run alone, and the process holds what it held."""

import asyncio

from tests.serving.long_use import known_requests, use


def test_long_use_in_short(toy):
    package = toy(dies=1, max_kv_cache_size=64)
    known = known_requests(package, 24, 40, 6)
    found = asyncio.run(use(package, known, 2000, 100, 100, max_num_seqs=8))
    assert found.compared > 1900 and found.different == 0
    assert found.aborted > 20 and found.cancelled > 20
    assert found.growth() < 1024
    last = found.levels[-5:]
    assert max(level.threads for level in last) <= found.levels[5].threads + 1
    assert max(level.descriptors for level in last) <= found.levels[5].descriptors
