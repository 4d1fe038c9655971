"""Corrected weights are the least-squares solution, half of the way, as numpy finds it."""

import numpy as np
import pytest
import torch

import awq.method.hessian
from awq.method.error_propagation import STRENGTH, InputCorrection, OutputCorrection, corrected, correction_for
from awq.method.hessian import DampedHessian, Hessian

pytestmark = pytest.mark.usefixtures("exact")

CPU = torch.device("cpu")


@pytest.fixture
def tokens():
    """Tokens as they should be and as they are, [500, 48]."""
    generator = torch.Generator().manual_seed(0)
    wanted = torch.randn(500, 48, generator=generator)
    return wanted, wanted + 0.2 * torch.randn(500, 48, generator=generator)


def solution(x, error, damping):
    """The change [K, n] of the weights with the least Σ (change·x − error)² + damping · |change|²."""
    inputs = x.shape[1]
    rows = np.vstack([x.double().numpy(), np.sqrt(damping) * np.eye(inputs)])
    right = np.vstack([error.double().numpy(), np.zeros((inputs, error.shape[1]))])
    return torch.from_numpy(np.linalg.lstsq(rows, right, rcond=None)[0]).float()


def damped(x):
    hessian = Hessian.empty(x.shape[1], CPU)
    hessian.accumulate(x)
    found = DampedHessian(hessian.blocks[0], hessian.tokens)
    return found, float((found.matrix - found.block)[0, 0])


def test_a_propagated_error_is_made_up_for(tokens):
    wanted, x = tokens
    weight = torch.randn(48, 5, generator=torch.Generator().manual_seed(1))
    correction = InputCorrection.empty(48, CPU)
    for start in range(0, 500, 200):
        correction.accumulate(x[start : start + 200], wanted[start : start + 200])
    hessian, damping = damped(x)
    expected = weight + STRENGTH * solution(x, (wanted - x) @ weight, damping)
    found = corrected(weight, correction.weight_change(0, hessian, weight, slice(0, 5)), 1)
    torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-4)
    assert (x @ found - wanted @ weight).norm() < 0.97 * (x @ weight - wanted @ weight).norm()


def test_the_error_of_the_stream_is_taken_away(tokens):
    _, x = tokens
    weight = torch.randn(48, 5, generator=torch.Generator().manual_seed(1))
    error = x @ torch.randn(48, 7, generator=torch.Generator().manual_seed(2)) / 10
    correction = OutputCorrection.empty(48, 7, CPU)
    for start in range(0, 500, 200):
        correction.accumulate(x[start : start + 200], error[start : start + 200])
    hessian, damping = damped(x)
    expected = weight + STRENGTH * solution(x, error[:, 2:], damping)
    found = corrected(weight, correction.weight_change(0, hessian, weight, slice(2, 7)), 1)
    torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-4)


def test_no_propagated_error_changes_nothing(tokens):
    wanted, _ = tokens
    correction = InputCorrection.empty(48, CPU)
    correction.accumulate(wanted, wanted)
    weight = torch.ones(48, 3)
    assert torch.equal(
        corrected(weight, correction.weight_change(0, damped(wanted)[0], weight, slice(0, 3)), 1), weight
    )


def test_blocks_know_their_own_inputs_only_and_share_the_work(monkeypatch):
    monkeypatch.setattr(awq.method.hessian, "LARGEST_BLOCK", 128)
    generator = torch.Generator().manual_seed(0)
    wanted = torch.randn(600, 256, generator=generator)
    x, error = wanted + torch.randn(600, 256, generator=generator) / 5, torch.randn(600, 9, generator=generator)
    by_input, by_output = correction_for(256, None, CPU), correction_for(256, 9, CPU)
    by_input.accumulate(x, wanted)
    by_output.accumulate(x, error)
    weight, second = torch.randn(128, 4, generator=generator), slice(128, 256)
    hessian, damping = damped(x[:, second])
    expected = solution(x[:, second], (wanted - x)[:, second] @ weight, damping)
    for _ in range(2):  # for another layer that reads the same
        torch.testing.assert_close(
            by_input.weight_change(1, hessian, weight, slice(0, 4)), expected, rtol=1e-3, atol=1e-4
        )
    expected = solution(x[:, second], error[:, 3:7], damping)
    change = by_output.weight_change(1, hessian, weight, slice(3, 7))
    torch.testing.assert_close(change, expected, rtol=1e-3, atol=1e-4)
    torch.testing.assert_close(corrected(weight, change, 2) - weight, STRENGTH * change / 2, rtol=1e-4, atol=1e-6)
