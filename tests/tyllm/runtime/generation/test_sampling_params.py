"""Sampling parameters that cannot work are refused, each with its value."""

import pytest

from tyllm.runtime.generation.sampling_params import SamplingParams
from tyllm_base.errors import GenerationError


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"temperature": -1.0}, r"temperature is -1\.0, it must be 0 \(greedy\) or more"),
        ({"temperature": float("nan")}, "temperature is nan"),
        ({"temperature": float("inf")}, "temperature is inf"),
        ({"top_k": -3}, "top_k is -3"),
        ({"top_k": 1.5}, r"top_k is 1\.5"),
        ({"top_p": 0.0}, r"top_p is 0\.0, it must be more than 0 and at most 1"),
        ({"top_p": 1.1}, r"top_p is 1\.1"),
        ({"min_p": -0.1}, r"min_p is -0\.1"),
        ({"min_p": 2}, "min_p is 2"),
        ({"repetition_penalty": 0}, "repetition_penalty is 0"),
        ({"seed": -1}, "seed is -1"),
        ({"max_new_tokens": 0}, "max_new_tokens is 0, it must be 1 or more"),
        ({"logprobs": -1}, "logprobs is -1, it must be 0 or more, or None"),
        ({"stop": ("a", "")}, "A stop string is empty"),
    ],
)
def test_values_that_cannot_work(settings, words):
    with pytest.raises(GenerationError, match=words) as caught:
        SamplingParams(**settings)
    assert caught.value.exit_code == 8
