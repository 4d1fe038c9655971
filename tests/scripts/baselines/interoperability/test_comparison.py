"""Another program's tokens are held against the judge's up to the first difference of each prompt."""

import pytest
import torch
from baselines.interoperability.comparison import Comparison, compared, markdown


@pytest.fixture
def judged():
    """(2, 3, 4) log-probabilities of two prompts, three tokens each; the judge takes 1, 1, 1 and 2, 2, 2."""
    logits = torch.zeros(2, 3, 4)
    logits[0, :, 1], logits[1, :, 2] = 2.0, 2.0
    logits[1, 1, 3] = 1.75
    return logits.log_softmax(-1)


def held_against(judged, tokens, off=0.0):
    tokens = torch.tensor(tokens)
    logprobs = judged.gather(-1, tokens[..., None])[..., 0] + off
    return compared(Comparison("awq", "vllm", "float16"), judged, tokens, logprobs)


def test_the_same_tokens(judged):
    found = held_against(judged, [[1, 1, 1], [2, 2, 2]], off=0.25)
    assert (found.same, found.gaps, found.passed) == (6, (), True)
    assert found.logprobs_apart == pytest.approx(0.25)


def test_only_the_first_difference_counts(judged):
    found = held_against(judged, [[1, 1, 1], [2, 3, 0]])
    assert found.same == 4
    assert found.gaps == pytest.approx((0.25,))
    assert not found.passed


def test_a_tie_passes(judged):
    judged[1, 1, 3] = judged[1, 1, 2] - 0.01
    assert held_against(judged, [[1, 1, 1], [2, 3, 0]]).passed


def test_the_table_tells_gaps_and_errors():
    table = markdown([
        Comparison("awq", "vllm", "float16", 120, 128, (0.0123,), 0.002),
        Comparison("awq, head", "vllm", "float32", error="refused"),
    ])  # fmt: skip
    assert "| awq | vllm float16 | 120 of 128 | 0.0123 | 0.0020 |" in table
    assert "| awq, head | vllm float32 | – | – | – | refused |" in table
