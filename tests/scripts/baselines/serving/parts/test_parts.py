"""The parts measure a small package with batches, and its tokens are those of the session."""

import pytest
from baselines.serving.loads.closed_loop import Heard, closed_loop
from baselines.serving.parts import long_prompt, one_stream, prefix, score, steps
from baselines.serving.parts.async_requests import AsyncRequests
from baselines.serving.parts.part import Setting
from tests.tyllm.fake_package import HERE, Fake, build

from tyllm_base.errors import GenerationError


@pytest.fixture(scope="module")
def setting(tmp_path_factory):
    folder = tmp_path_factory.mktemp("parts")
    library = build(HERE / "fake_program.c", folder / "toy.so")
    package = Fake(library, batch_sizes=(4, 32), max_kv_cache_size=4096).write(folder / "package")
    return Setting(package, 256, prompt=8, new=4, long_prompt=40, prefix=24, threads=1)


def test_prompts_are_random_and_differ(setting):
    first, second = setting.tokens(50), setting.tokens(50)
    assert first != second
    assert max(first + second) < 256


def test_requests_run_together_and_each_is_given_what_it_asked_for(setting):
    engine = AsyncRequests(setting.package, 1, 2)
    heard = closed_loop(engine, [setting.tokens(8) for _ in range(4)], 2, 4)
    engine.close()
    assert [len(one.times) for one in heard] == [4] * 4


def test_what_goes_wrong_with_a_request_is_raised(setting):
    engine = AsyncRequests(setting.package, 1, 2)
    engine.add(0, [10**9], 4)
    with pytest.raises(GenerationError, match="1000000000"):
        engine.step()
    engine.close()


def test_waiting_for_nothing_is_refused(setting):
    engine = AsyncRequests(setting.package, 1, 2)
    with pytest.raises(RuntimeError, match="No request is running"):
        engine.step()
    engine.close()


def test_steps_have_a_time_and_a_factor(setting):
    found = steps.measure(setting)
    assert list(found) == [*map(steps.name_of, steps.SEQUENCES), "4 rows of one sequence", "8 rows of one sequence"]
    assert found["1 sequence"]["× 1 row"] == pytest.approx(1)
    assert found["8 sequences"]["× 1 row"] == pytest.approx(8 * found["1 sequence"]["ms"] / found["8 sequences"]["ms"])


def test_a_long_prompt_is_timed_alone_and_beside_streams(setting):
    found = long_prompt.measure(setting)
    assert list(found["4 streams alone"]) == ["gap p50", "gap p99"]
    assert list(found["both"]) == ["gap p50", "gap p99", long_prompt.RATE]
    assert found["both"]["gap p99"] > 0
    assert found["the prompt alone"][long_prompt.RATE] > 0


def test_gaps_are_those_that_end_in_the_span():
    streams = [Heard(0.0, [1.0, 2.0, 4.0]), Heard(0.0, [1.5, 9.0])]
    assert long_prompt.gaps_between(streams, 2.0, 4.0) == {"gap p50": 2000, "gap p99": 2000}


def test_the_second_prompt_finds_what_it_shares(setting):
    found = prefix.measure(setting)
    assert [row["cached tokens"] for row in found.values()] == [0, 24, 24]
    assert list(found)[1:] == ["the same beginning, 8 of its own", "the same beginning, 16 of its own"]


def test_both_doors_have_a_rate_and_so_have_score_and_prompt(setting, monkeypatch):
    monkeypatch.setattr(score, "TOKENS", 40)
    for found in (one_stream.measure(setting), score.measure(setting)):
        assert len(found) == 2
        assert all(row["tokens/s"] > 0 for row in found.values())
