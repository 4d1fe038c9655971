"""Requests are refused before they wait."""

import numpy as np
import pytest

from tyllm.runtime.generation.sampling_params import SamplingParams
from tyllm.runtime.prompt.prompt import Prompt
from tyllm.runtime.scheduler.engine_request import EngineRequest
from tyllm_base.errors import GenerationError


@pytest.mark.parametrize("timeout", [0, -1, float("nan"), float("inf"), "soon", True, 10**400])
def test_a_timeout_is_seconds(timeout):
    with pytest.raises(GenerationError, match="timeout is"):
        EngineRequest(Prompt([1]), SamplingParams(), timeout)


@pytest.mark.parametrize(
    ("prompt", "sentence"), [([], "no tokens"), ([9999], "outside the vocabulary"), ([1] * 65, "more than the 64")]
)
def test_prompts_that_cannot_be_fed(serve, prompt, sentence):
    with pytest.raises(GenerationError, match=sentence):
        serve().add(prompt, 0)


@pytest.mark.parametrize("timeout", [1, 0.5, np.float32(2), np.int64(3)])
def test_seconds_of_any_type(timeout):
    assert EngineRequest(Prompt([1]), SamplingParams(), timeout).timeout == timeout


def test_embeddings_have_no_log_probabilities(serve):
    served, prompt = serve(embedding_as_input=True), Prompt.of_embeddings(np.zeros((3, 8), np.float32))
    with pytest.raises(GenerationError, match="prompt_logprobs are of tokens"):
        served.checks.sequences(EngineRequest(prompt, SamplingParams(prompt_logprobs=1)))
    assert served.checks.sequences(EngineRequest(prompt, SamplingParams(logprobs=1)))


def test_names_differ():
    made = {EngineRequest(Prompt([1]), SamplingParams()).request_id for _ in range(100)}
    assert len(made) == 100


def test_each_text_of_a_request_has_a_seed_of_its_own_and_the_first_scores_the_prompt(serve):
    params = SamplingParams(n=3, temperature=1.0, seed=5, prompt_logprobs=2)
    sequences = serve().checks.sequences(EngineRequest(Prompt([1, 2]), params))
    assert [sequence.state.params.seed for sequence in sequences] == [5, 6, 7]
    assert [sequence.score_top for sequence in sequences] == [2, None, None]


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"n": 2}, "2 texts that take the likeliest token each time are the same"),
        ({"allowed_token_ids": [9999]}, "allowed_token_ids has token 9999, which is outside the vocabulary"),
    ],
)
def test_parameters_that_cannot_work_with_the_package(serve, settings, sentence):
    with pytest.raises(GenerationError, match=sentence):
        serve().checks.sequences(EngineRequest(Prompt([1, 2]), SamplingParams(**settings)))
