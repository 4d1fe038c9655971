"""Penalties against transformers', OpenAI's formula, and counting all over again."""

import numpy as np
import pytest

from tyllm.runtime.generation.penalties import GrowingCounts, Penalties
from tyllm.runtime.generation.sampling_params import SamplingParams

LOGITS = np.random.default_rng(0).normal(0, 3, 500).astype(np.float32)
TIES = np.asarray([1, 3, 3, 2, 3, -1, 2, 0], np.float32)


def penalized(logits, prompt, generated=(), **params):
    penalties, found = Penalties(SamplingParams(**params), prompt), logits.copy()
    for token in generated:
        penalties.add(token)
    penalties.apply(found)
    return found


@pytest.mark.parametrize("penalty", [0.5, 1.0, 1.2])
def test_repetition_penalty_means_what_it_means_in_transformers(penalty):
    torch = pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    history = [3, 3, 499, 0]
    processor = transformers.RepetitionPenaltyLogitsProcessor(penalty)
    expected = processor(torch.tensor([history]), torch.from_numpy(LOGITS.copy())[None])[0].numpy()
    assert np.allclose(penalized(LOGITS, [3, -1, 3], [499, 0], repetition_penalty=penalty), expected)


def test_presence_and_frequency_count_the_generated_text_alone():
    found = penalized(TIES, [0, 0], [2, 5, 2], presence_penalty=0.5, frequency_penalty=-0.25)
    assert (found - TIES).tolist() == [0, 0, -0.5 + 2 * 0.25, 0, 0, -0.25, 0, 0]


def test_repetition_comes_before_the_others():
    found = penalized(TIES, [], [1], repetition_penalty=2.0, presence_penalty=1.0)
    assert found[1] == 3 / 2 - 1


@pytest.mark.parametrize("penalty", [5e-324, 1e-300, 1e300, 1.7e308])
@pytest.mark.filterwarnings("error")
def test_extreme_penalties_stay_numbers(penalty):
    found = penalized(TIES, [0, 5, 7], repetition_penalty=penalty)
    assert np.isfinite(found).all() and found[7] == 0


@pytest.mark.filterwarnings("error")
def test_what_is_impossible_stays_so():
    logits = np.asarray([-np.inf, 1, -np.inf], np.float32)
    found = penalized(logits, [0], [2], repetition_penalty=0.5, presence_penalty=-2.0)
    assert found.tolist() == [-np.inf, 1, -np.inf]


def test_counts_grow_with_each_token():
    tokens = np.random.default_rng(3).integers(0, 300, 1000).tolist()
    counts = GrowingCounts(tokens[:400])
    for token in tokens[400:]:
        counts.add(token)
    expected = dict(zip(*np.unique(tokens, return_counts=True), strict=True))
    assert dict(zip(counts.tokens.tolist(), counts.counts.tolist(), strict=True)) == expected


def test_whether_they_are_off():
    assert Penalties(SamplingParams(repetition_penalty=1.0), [1]).are_off
    assert not Penalties(SamplingParams(presence_penalty=0.1)).are_off
