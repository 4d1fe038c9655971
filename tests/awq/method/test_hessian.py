"""Blocks cover the inputs, sums are those of all tokens, and whatever the tokens were, the factors exist."""

import pytest
import torch

import awq.method.hessian
from awq.method.hessian import LARGEST_BLOCK, LEAST_DAMPING, DampedHessian, Hessian, spans
from tyllm_base.errors import CalibrationError

pytestmark = pytest.mark.usefixtures("exact")


@pytest.mark.parametrize("inputs", [1, 100, 128, 6144, 6145, 6272, 11008, 14336, 18944, 27648, 28700])
def test_spans_cover_all_inputs_in_nearly_equal_blocks_cut_at_multiples_of_128(inputs):
    cut = spans(inputs)
    assert [i for span in cut for i in range(span.start, span.stop)] == list(range(inputs))
    sizes = [span.stop - span.start for span in cut]
    assert max(sizes) <= LARGEST_BLOCK and max(sizes) - min(sizes) < 256
    assert all(span.start % 128 == 0 for span in cut)
    assert len(cut) == -(-inputs // LARGEST_BLOCK)


def test_sums_are_those_of_all_tokens_within_each_block(monkeypatch):
    monkeypatch.setattr(awq.method.hessian, "LARGEST_BLOCK", 256)
    x = torch.randn(60, 640, generator=torch.Generator().manual_seed(0))
    hessian = Hessian.empty(640, x.device)
    for part in x.split(25):
        hessian.accumulate(part)
    assert hessian.tokens == 60 and len(hessian.blocks) == 3
    for span, block in zip(hessian.spans, hessian.blocks, strict=True):
        torch.testing.assert_close(block, x[:, span].T @ x[:, span], rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize(("tokens", "damping"), [(1, 32.0), (16, 2.0), (128, 0.25), (10**6, LEAST_DAMPING)])
def test_damping_is_inputs_by_tokens_times_the_mean(tokens, damping):
    block = torch.diag(torch.arange(32.0))
    expected = block + damping * 15.5 * torch.eye(32)
    torch.testing.assert_close(DampedHessian(block, tokens).matrix, expected)


def tokens_of(kind):
    x = torch.randn(4096, 256, generator=torch.Generator().manual_seed(0))
    return {
        "ordinary": x,
        "zero": 0 * x,
        "underflowing": 1e-22 * x,
        "small": 1e-12 * x,
        "huge": 1e12 * x,
        "constant": torch.full_like(x, 3.7),
        "one direction": x[:, :1] * x[:1],
        "one token": x[:1],
        "few tokens": x[:4],
        "a loud input": torch.cat([1e5 * x[:, :1], x[:, 1:]], 1),
        "a massive token": torch.cat([1e4 * x[:1], x[1:]]),
        "dead inputs": torch.cat([x[:, :200], 0 * x[:, 200:]], 1),
    }[kind]


KINDS = ("ordinary", "zero", "underflowing", "small", "huge", "constant", "one direction", "one token", "few tokens",
         "a loud input", "a massive token", "dead inputs")  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_the_root_of_the_inverse_exists_for(kind):
    hessian = Hessian.empty(256, torch.device("cpu"))
    hessian.accumulate(tokens_of(kind))
    damped = DampedHessian(hessian.blocks[0], hessian.tokens)
    root, matrix = damped.root.double(), damped.matrix.double()
    assert torch.equal(root, root.triu()) and (root.diagonal() > 0).all()
    torch.testing.assert_close(root @ matrix @ root.T, torch.eye(256).double(), rtol=0, atol=2e-3)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_activations_that_are_no_numbers_are_told_of(value):
    with pytest.raises(CalibrationError, match="not finite"):
        _ = DampedHessian(torch.full((4, 4), value), 9).root


def test_solve_inverts_the_matrix():
    hessian = Hessian.empty(256, torch.device("cpu"))
    hessian.accumulate(tokens_of("ordinary"))
    damped = DampedHessian(hessian.blocks[0], hessian.tokens)
    right = torch.randn(256, 3, generator=torch.Generator().manual_seed(1))
    expected = torch.linalg.solve(damped.matrix.double(), right.double())
    torch.testing.assert_close(damped.solve(right).double(), expected, rtol=1e-4, atol=1e-8)
