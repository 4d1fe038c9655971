"""A sampler: the order in which parameters act, what it remembers, and logits that are no numbers."""

import numpy as np
import pytest

from tyllm.runtime.generation.sampler import Sampler
from tyllm.runtime.generation.sampling_params import SamplingParams
from tyllm.runtime.step.model_runner import check_logits
from tyllm_base.errors import GenerationError, StepError

LOGITS = [np.random.default_rng(seed).normal(0, 3, 500).astype(np.float32) for seed in range(4)]
TIES = np.asarray([1, 3, 3, 2, 3, -1, 2, 0], np.float32)


def test_greedy_needs_no_randomness():
    assert [Sampler(SamplingParams()).pick(logits) for logits in LOGITS] == [int(logits.argmax()) for logits in LOGITS]


@pytest.mark.parametrize("params", [{}, {"top_k": 3}, {"top_p": 0.9}, {"min_p": 0.1}])
def test_draws_follow_the_probabilities(params):
    sampler = Sampler(SamplingParams(temperature=1.0, seed=0, **params))
    weights = np.exp(TIES.astype(np.float64))
    weights[{"top_k": 3, "top_p": 2, "min_p": 1}.get(next(iter(params), ""), -9) > TIES] = 0
    counts = np.bincount([sampler.pick(TIES) for _ in range(5_000)], minlength=TIES.size) / 5_000
    assert np.allclose(counts, weights / weights.sum(), atol=0.03)


def test_the_same_seed_draws_the_same():
    first, second, other = (Sampler(SamplingParams(temperature=1.0, seed=seed)) for seed in (7, 7, 8))
    drawn = [[sampler.pick(LOGITS[0]) for _ in range(20)] for sampler in (first, second, other)]
    assert drawn[0] == drawn[1] != drawn[2]


def test_huge_logits_do_not_overflow():
    assert Sampler(SamplingParams(temperature=1e-3, seed=0)).pick(np.asarray([3e4, 2e4, -3e4], np.float32)) == 0


def test_a_penalty_counts_what_was_picked():
    sampler = Sampler(SamplingParams(presence_penalty=1.5), [1])
    assert [sampler.pick(TIES) for _ in range(5)] == [1, 2, 4, 3, 6]


def test_processors_come_before_penalties_and_leave_the_models_logits_alone():
    seen = []

    def double(generated, logits):
        seen.append(list(generated))
        logits *= 2
        return logits

    logits = np.asarray([2.0, 1.0, 0.0], np.float32)
    sampler = Sampler(SamplingParams(presence_penalty=1.5), processors=[double])
    assert [sampler.pick(logits) for _ in range(3)] == [0, 0, 0]
    assert (seen, logits.tolist()) == ([[], [0], [0, 0]], [2, 1, 0])


@pytest.mark.parametrize("params", [{}, {"temperature": 1.0}, {"temperature": 1.0, "top_p": 0.5}, {"top_k": 2}])
@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.filterwarnings("error")
def test_logits_that_are_no_numbers(params, bad):
    sampler = Sampler(SamplingParams(seed=0, **params))
    with pytest.raises(StepError, match="not finite numbers"):
        sampler.pick(np.asarray([1.0, bad, -np.inf], np.float32))
    with pytest.raises(StepError, match="not finite numbers"):
        sampler.pick(np.full(3, -np.inf, np.float32))
    assert sampler.pick(np.asarray([-np.inf, 1.0, -np.inf], np.float32)) == 1


def test_parameters_that_leave_no_token():
    sampler = Sampler(SamplingParams(), processors=[lambda generated, logits: logits - np.inf])
    with pytest.raises(GenerationError, match="leave no token that can be picked"):
        sampler.pick(TIES)


def test_logits_of_several_rows():
    check_logits(np.zeros((2, 3), np.float32))
    with pytest.raises(StepError):
        check_logits(np.asarray([[0, 1], [0, np.inf]], np.float32))
