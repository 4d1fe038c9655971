"""Tokens count in inverse proportion to the square of the stream, within bounds."""

import pytest
import torch

from awq.method.token_weights import token_weights


def test_a_massive_token_counts_no_more_than_others():
    hidden = torch.randn(2, 10, 64, generator=torch.Generator().manual_seed(0))
    hidden[:, 0] *= 1e4
    counted = (token_weights(hidden)[..., None] * hidden).square().mean(-1)
    torch.testing.assert_close(counted, counted.mean().expand(2, 10))


def test_weights_of_tokens_multiply_to_one():
    hidden = torch.randn(2, 10, 64, generator=torch.Generator().manual_seed(0)) * torch.arange(1, 11)[:, None]
    assert float(token_weights(hidden).log().mean()) == pytest.approx(0, abs=1e-5)


def test_tokens_of_zeros_have_finite_weights_and_leave_the_others_theirs():
    hidden = torch.randn(2, 10, 64, generator=torch.Generator().manual_seed(0))
    hidden[:, 3:9] = 0
    weights = token_weights(hidden)
    assert torch.isfinite(weights.square()).all()
    assert weights.max() < 1e3 * weights[:, 0].min()
