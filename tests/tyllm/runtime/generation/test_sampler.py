"""Sampling against the logits processors of Hugging Face transformers, and against its own probabilities."""

import numpy as np
import pytest

from tyllm.runtime.generation.sampler import Sampler, candidates, penalize, softmax
from tyllm.runtime.generation.sampling_params import SamplingParams

LOGITS = [np.random.default_rng(seed).normal(0, 3, 500).astype(np.float32) for seed in range(4)]
TIES = np.asarray([1, 3, 3, 2, 3, -1, 2, 0], np.float32)


def theirs(logits, processors):
    """The probabilities that transformers' processors leave."""
    torch = pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    scores = torch.from_numpy(logits.astype(np.float64))[None]
    for name, value in processors.items():
        warper = {
            "temperature": lambda v: transformers.TemperatureLogitsWarper(v),
            "top_k": lambda v: transformers.TopKLogitsWarper(v),
            "top_p": lambda v: transformers.TopPLogitsWarper(v),
            "min_p": lambda v: transformers.MinPLogitsWarper(v),
        }[name]
        scores = warper(value)(None, scores)
    return scores.softmax(-1)[0].numpy()


@pytest.mark.parametrize(
    "settings",
    [
        {"temperature": 0.7},
        {"temperature": 1.0, "top_k": 5},
        {"temperature": 1.0, "top_k": 5000},
        {"temperature": 1.3, "top_p": 0.9},
        {"temperature": 1.0, "top_p": 0.01},
        {"temperature": 1.0, "min_p": 0.05},
        {"temperature": 1.0, "min_p": 1.0},
        {"temperature": 0.8, "top_k": 40, "top_p": 0.8, "min_p": 0.1},
    ],
)
@pytest.mark.parametrize("logits", LOGITS)
def test_filters_mean_what_they_mean_in_transformers(settings, logits):
    tokens, probabilities = candidates(logits, SamplingParams(**settings))
    ours = np.zeros(logits.size)
    ours[tokens] = probabilities
    assert np.allclose(ours, theirs(logits, settings), atol=1e-12)


def test_top_k_keeps_ties_as_transformers_does():
    tokens, _ = candidates(TIES, SamplingParams(temperature=1.0, top_k=2))
    assert tokens.tolist() == [1, 2, 4] == np.flatnonzero(theirs(TIES, {"top_k": 2})).tolist()


@pytest.mark.parametrize("penalty", [0.5, 1.0, 1.2])
def test_repetition_penalty_means_what_it_means_in_transformers(penalty):
    torch = pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    history = [3, 3, 499, 0]
    processor = transformers.RepetitionPenaltyLogitsProcessor(penalty)
    expected = processor(torch.tensor([history]), torch.from_numpy(LOGITS[0].copy())[None])[0].numpy()
    assert np.allclose(penalize(LOGITS[0], [*history, -1], penalty), expected)


def test_draws_follow_the_probabilities():
    sampler = Sampler(SamplingParams(temperature=1.0, seed=0))
    counts = np.bincount([sampler.pick(TIES, []) for _ in range(20_000)], minlength=TIES.size) / 20_000
    assert np.allclose(counts, softmax(TIES.astype(np.float64)), atol=0.01)


def test_greedy_needs_no_randomness():
    assert [Sampler(SamplingParams()).pick(logits, []) for logits in LOGITS] == [
        int(logits.argmax()) for logits in LOGITS
    ]


def test_huge_logits_do_not_overflow():
    assert Sampler(SamplingParams(temperature=1e-3, seed=0)).pick(np.asarray([3e4, 2e4, -3e4], np.float32), []) == 0


@pytest.mark.parametrize("temperature", [5e-324, 1e-310, 1e-100, 1.7e308])
@pytest.mark.parametrize("more", [{}, {"top_k": 3}, {"top_p": 0.9}, {"min_p": 0.5}])
@pytest.mark.filterwarnings("error")
def test_extreme_temperatures_pick_what_they_should(temperature, more):
    logits = LOGITS[0] * 1e30
    tokens, probabilities = candidates(logits, SamplingParams(temperature=temperature, **more))
    assert np.isclose(probabilities.sum(), 1)
    if temperature < 1:
        assert tokens[probabilities.argmax()] == logits.argmax() and probabilities.max() == 1
        assert Sampler(SamplingParams(temperature=temperature, seed=1, **more)).pick(logits, []) == logits.argmax()


@pytest.mark.parametrize("penalty", [5e-324, 1e-300, 1e300, 1.7e308])
@pytest.mark.filterwarnings("error")
def test_extreme_penalties_stay_numbers(penalty):
    found = penalize(TIES, [0, 5, 7], penalty)
    assert np.isfinite(found).all() and found[7] == 0
    assert found.dtype == np.float32
    Sampler(SamplingParams(temperature=1, repetition_penalty=penalty)).pick(TIES, [0, 5, 7])
