"""Known requests: a few ahead of the engine, in their order, and none left behind."""

import pytest
from fake_package import reference_greedy

from tyllm.runtime import LLM
from tyllm.runtime.generation.sampling_params import SamplingParams
from tyllm.runtime.offline_batch import AHEAD, params_for
from tyllm_base.errors import GenerationError


@pytest.fixture
def llm(toy):
    with LLM(toy(dies=2), 2, max_num_seqs=2) as opened:
        yield opened


def test_no_more_are_prepared_than_needed(llm, monkeypatch):
    under_way, most, submit = set(), [], llm._engine.submit

    def counted(request, receiver):
        under_way.add(request.request_id)
        most.append(len(under_way))

        def seen(update):
            under_way.discard(update.request_id)
            receiver(update)

        submit(request, seen)

    monkeypatch.setattr(llm._engine, "submit", counted)
    params = SamplingParams(max_new_tokens=1)
    assert len(llm.generate([[1]] * 50, params, progress=False)) == 50
    assert max(most) <= AHEAD * 2 and len(most) == 50


def test_an_interruption_aborts_what_runs(llm):
    class Enough(Exception):  # noqa: N818  # the caller's own
        pass

    def report(done, total, what):
        if done == 3:
            raise Enough

    with pytest.raises(Enough):
        llm.generate([[n] for n in range(40)], SamplingParams(max_new_tokens=60, ignore_eos=True), progress=report)
    output = llm.generate([[5]], SamplingParams(max_new_tokens=4, ignore_eos=True), progress=False)[0]
    assert output.outputs[0].token_ids == reference_greedy([5], 4)
    assert output.outputs[0].timings.queue_seconds < 5


def test_parameters_for_each():
    one, two = SamplingParams(max_new_tokens=1), SamplingParams(max_new_tokens=2)
    assert params_for([1, 2], None) == [SamplingParams()] * 2
    assert params_for([1, 2], one) == [one, one]
    assert params_for([1, 2], [one, two]) == [one, two]
    for given in ([one], [one, 3], "hot", {"max_new_tokens": 1}):
        with pytest.raises(GenerationError, match="give"):
            params_for([1, 2], given)
