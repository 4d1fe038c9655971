"""The driver forgets, reads the prompt, and tells of each new token when it is known."""

import pytest
from baselines.inference.drivers.drive_tyllm import TyLLM
from random_weights import write_random_checkpoint
from small_config import small_config

from tyllm.build_util import build_and_compile_llm
from tyllm.runtime import Session


@pytest.fixture(scope="module")
def package(tmp_path_factory):
    folder = tmp_path_factory.mktemp("driver")
    write_random_checkpoint(small_config("Qwen2-0.5B"), folder / "checkpoint")
    return build_and_compile_llm(folder / "checkpoint", folder / "package", 32, [1, 8], 1)


def test_greedy_tokens_are_the_sessions_and_each_is_heard(package):
    engine, heard, tokens = TyLLM(package, 1, 32), [], [5, 6, 7]
    for _ in range(2):  # the second time it has to have forgotten the first
        heard.clear()
        engine.generate(tokens, 4, lambda: heard.append(list(engine.conversation.tokens)))
        assert [len(seen) for seen in heard] == [3, 4, 5, 6]
    with Session(package, threads=1) as session:
        expected = session.generate(tokens, max_new_tokens=4, temperature=0, ignore_eos=True)
    assert heard[-1][3:] == list(expected.token_ids)[:3]


def test_a_package_without_room_is_refused(package):
    with pytest.raises(RuntimeError, match="holds 32 tokens, 33 are needed"):
        TyLLM(package, 1, 33)
