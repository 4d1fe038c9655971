"""What `LLM` and `AsyncLLM` have in common."""

import asyncio

import pytest

from tyllm.runtime import LLM, AsyncLLM
from tyllm_base.errors import SettingError


@pytest.mark.parametrize("kind", [LLM, AsyncLLM])
def test_it_opens_a_package_with_its_settings_and_tells_what_it_is(toy, kind):
    package = toy(dies=2, max_kv_cache_size=512)
    opened = kind(package, 2, max_num_seqs=3, kv_cache_memory="64MiB")
    assert opened.info.dies == 2
    assert opened.tokenizer.decode(opened.tokenizer.encode("Hello")) == "Hello"
    closing = opened.close()
    if closing is not None:
        asyncio.run(closing)
    with pytest.raises(SettingError, match="max_num_seqs"):
        kind(package, max_num_seqs=0)
