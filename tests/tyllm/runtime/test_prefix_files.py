"""Cached prefixes go to disk and come back, whole, of the same package, and only as far as there is room."""

import asyncio

import pytest
from fake_package import reference_greedy

from tyllm.runtime import LLM, AsyncLLM
from tyllm.runtime.generation.sampling_params import SamplingParams
from tyllm_base.errors import GenerationError, OutputError

PARAMS = SamplingParams(max_new_tokens=4, ignore_eos=True)
STEMS = [[number] * 40 for number in range(3)]


@pytest.fixture
def saved(toy, tmp_path):
    """A folder with three prefixes of 43 tokens, and one that is part of another."""
    with LLM(toy(dies=2), 2, max_num_seqs=4) as llm:
        llm.generate(STEMS, PARAMS, progress=False)
        assert llm.save_prefix_cache(tmp_path / "cache") == 3 * 43
        assert llm.save_prefix_cache(tmp_path / "cache") == 3 * 43
    assert len(list((tmp_path / "cache").iterdir())) == 3
    return tmp_path / "cache"


def test_another_process_goes_on_from_them(toy, saved):
    with LLM(toy(dies=2), 2, max_num_seqs=4) as llm:
        assert llm.load_prefix_cache(saved) == 3 * 43
        outputs = llm.generate([[*stem, 9] for stem in STEMS], PARAMS, progress=False)
        assert [output.cached_tokens for output in outputs] == [40] * 3
        assert [output.outputs[0].token_ids for output in outputs] == [
            reference_greedy([*stem, 9], 4) for stem in STEMS
        ]


def test_no_more_than_there_is_room_for(toy, saved):
    with LLM(toy(dies=2), 2, max_num_seqs=1) as llm:
        assert llm.load_prefix_cache(saved) == 2 * 43
        assert llm.load_prefix_cache(saved) == 0
    with LLM(toy(dies=2), 2, kv_cache_memory=800) as llm:
        assert llm.load_prefix_cache(saved) == 43


def test_what_cannot_be_taken_is_told(toy, saved, tmp_path):
    file = next(saved.iterdir())
    file.write_bytes(file.read_bytes()[:-100])
    with LLM(toy(dies=2), 2) as llm:
        with pytest.raises(GenerationError, match="damaged"):
            llm.load_prefix_cache(saved)
        with pytest.raises(GenerationError, match="is no folder"):
            llm.load_prefix_cache(tmp_path / "nowhere")
        with pytest.raises(OutputError):
            llm.save_prefix_cache(file / "folder")
        assert llm.generate([[1]], PARAMS, progress=False)[0].outputs[0].token_ids == reference_greedy([1], 4)
    (tmp_path / "dangling").mkdir()
    (tmp_path / "dangling" / "x.npz").symlink_to(tmp_path / "nowhere")
    with LLM(toy(dies=2), 2) as llm, pytest.raises(GenerationError, match="no such file; give a folder that save_pref"):
        llm.load_prefix_cache(tmp_path / "dangling")
    file.unlink()
    with LLM(toy(dies=1), 2) as other, pytest.raises(GenerationError, match="belongs to another package"):
        other.load_prefix_cache(saved)


def test_from_asyncio(toy, saved):
    async def main():
        async with AsyncLLM(toy(dies=2), 2) as llm:
            assert await llm.load_prefix_cache(saved) == 3 * 43
            assert await llm.save_prefix_cache(saved) == 3 * 43

    asyncio.run(main())
