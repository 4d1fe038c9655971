"""Filters against transformers' logits processors, and against a full sort in float64."""

import numpy as np
import pytest

from tyllm.runtime.generation.candidates import Filters, candidates
from tyllm.runtime.generation.distribution import Distribution
from tyllm.runtime.generation.sampling_params import SamplingParams

LOGITS = [np.random.default_rng(seed).normal(0, 3, 500).astype(np.float32) for seed in range(4)]
TIES = np.asarray([1, 3, 3, 2, 3, -1, 2, 0], np.float32)


@pytest.fixture(scope="module", params=["certain", "peaked", "flat", "equal", "masked"])
def whole(request):
    random = np.random.default_rng(5)
    logits = random.normal(0, 2, 40_000).astype(np.float32)
    if request.param == "certain":
        logits[123] += 40
    elif request.param == "peaked":
        logits[random.permutation(40_000)[:50]] += (12 * np.arange(1, 51) ** -0.3).astype(np.float32)
    elif request.param == "equal":
        logits = np.round(logits)
    elif request.param == "masked":
        logits[random.permutation(40_000)[:39_990]] = -np.inf
    return logits


def by_sorting(logits, temperature, top_k=0, top_p=1.0, min_p=0.0):
    """The candidates by their meaning: everything in float64, everything sorted."""
    exact = logits.astype(np.float64) / temperature
    weights = np.exp(exact - exact.max())
    if 0 < top_k < weights.size:
        weights[weights < np.sort(weights)[-top_k]] = 0
    if top_p < 1:
        descending = np.sort(weights)[::-1]
        last = np.searchsorted(descending.cumsum(), top_p * descending.sum())
        weights[weights < descending[min(last, descending.size - 1)]] = 0
    weights[weights < min_p * weights.max()] = 0
    return weights / weights.sum()


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


def ours(logits, settings):
    tokens, probabilities = candidates(logits, SamplingParams(**settings))
    found = np.zeros(logits.size)
    found[tokens] = probabilities
    return found


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
    assert np.allclose(ours(logits, settings), theirs(logits, settings), atol=1e-12)


@pytest.mark.parametrize(
    "settings",
    [
        {"temperature": 0.7, "top_p": 0.95},
        {"temperature": 1.0, "top_p": 0.5},
        {"temperature": 1.5, "top_p": 0.999},
        {"temperature": 0.1, "top_p": 0.3},
        {"temperature": 1.0, "top_k": 40},
        {"temperature": 1.0, "top_k": 12_000},
        {"temperature": 1.0, "top_k": 12_000, "top_p": 0.9},
        {"temperature": 0.7, "top_k": 40, "top_p": 0.95},
        {"temperature": 0.7, "min_p": 0.05},
        {"temperature": 1.2, "top_p": 0.9, "min_p": 0.001},
    ],
)
def test_filters_of_a_whole_vocabulary_are_those_of_a_full_sort(settings, whole):
    assert np.allclose(ours(whole, settings), by_sorting(whole, **settings), atol=1e-12)


def test_top_k_keeps_ties_as_transformers_does():
    tokens, _ = candidates(TIES, SamplingParams(temperature=1.0, top_k=2))
    assert tokens.tolist() == [1, 2, 4] == np.flatnonzero(theirs(TIES, {"top_k": 2})).tolist()


def test_top_p_keeps_ties_too():
    tokens, _ = candidates(TIES, SamplingParams(temperature=1.0, top_p=0.3))
    assert tokens.tolist() == [1, 2, 4]


def test_without_filters_there_is_no_floor():
    assert Filters(1.0).floor(Distribution(TIES, 1.0)) == -np.inf


@pytest.mark.parametrize("temperature", [5e-324, 1e-310, 1e-100, 1.7e308])
@pytest.mark.parametrize("more", [{}, {"top_k": 3}, {"top_p": 0.9}, {"min_p": 0.5}])
@pytest.mark.parametrize("size", [500, 40_000])
@pytest.mark.filterwarnings("error")
def test_extreme_temperatures_pick_what_they_should(temperature, more, size):
    logits = np.random.default_rng(0).normal(0, 3, size).astype(np.float32) * np.float32(1e30)
    tokens, probabilities = candidates(logits, SamplingParams(temperature=temperature, **more))
    assert np.isclose(probabilities.sum(), 1)
    if temperature < 1:
        assert tokens[probabilities.argmax()] == logits.argmax() and probabilities.max() == 1
