"""Refinement never makes a row worse, and ends where no code can be bettered."""

import pytest
import torch

from awq.method.gptq import gptq_quantize
from awq.method.hessian import DampedHessian
from awq.method.quantized_weight import QuantizedWeight
from awq.method.refinement import refined
from awq.method.rounding import Scheme

pytestmark = pytest.mark.usefixtures("exact")


@pytest.fixture
def problem():
    """Transposed rows [K, n] and the Hessian of dependent inputs."""
    generator = torch.Generator().manual_seed(0)
    weight = torch.randn(128, 40, generator=generator)
    x = torch.randn(500, 128, generator=generator) @ torch.randn(128, 128, generator=generator)
    return weight, DampedHessian(x.T @ x, 500)


def row_errors(codes, weight, matrix):
    error = (codes.dequantize().T - weight).double()
    return (error * (matrix.double() @ error)).sum(0)


@pytest.mark.parametrize("compensate", [True, False])
@pytest.mark.parametrize("scheme", [Scheme(4, 32), Scheme(8, 64), Scheme(4, 128, symmetric=True)])
def test_no_row_gets_worse_and_all_together_get_better(problem, scheme, compensate):
    weight, hessian = problem
    codes = gptq_quantize(weight.clone(), hessian, scheme, compensate=compensate)
    before = row_errors(codes, weight, hessian.matrix)
    for _ in range(3):
        codes = refined(codes, weight, hessian.matrix, scheme, 1)
        after = row_errors(codes, weight, hessian.matrix)
        assert (after <= before * 1.0001).all()
        assert after.sum() < before.sum()
        before = after
    assert ((codes.codes >= 0) & (codes.codes <= scheme.levels)).all()
    assert torch.equal(codes.codes, codes.codes.round()) and torch.equal(codes.scales, codes.scales.half().float())


def test_at_the_end_no_single_code_can_be_bettered(problem):
    weight, hessian = problem
    scheme = Scheme(4, 32)
    codes = refined(gptq_quantize(weight.clone(), hessian, scheme), weight, hessian.matrix, scheme, 40)
    least = row_errors(codes, weight, hessian.matrix)
    for place in range(128):
        for step in (-1, 1):
            other = codes.codes.clone()
            other[:, place] = (other[:, place] + step).clamp(0, 15)
            changed = row_errors(QuantizedWeight(other, codes.scales, codes.zeros), weight, hessian.matrix)
            assert (changed >= least * 0.9999).all()


def test_scales_that_codes_were_made_with_are_found_again(problem):
    _, hessian = problem
    generator = torch.Generator().manual_seed(1)
    codes = torch.randint(0, 16, (10, 128), generator=generator).float()
    zeros, scales = torch.full((10, 4), 8.0), (torch.rand(10, 4, generator=generator) + 0.5).half().float()
    weight = QuantizedWeight(codes, scales, zeros).dequantize().T
    rough = QuantizedWeight(codes, (scales * 1.02).half().float(), zeros)
    found = refined(rough, weight, hessian.matrix, Scheme(4, 32), 1)
    assert torch.equal(found.codes, codes)
    torch.testing.assert_close(found.scales, scales, rtol=1e-3, atol=0)


def test_zeros_and_ranges_stay(problem):
    weight, hessian = problem
    codes = gptq_quantize(weight.clone(), hessian, Scheme(4, 32))
    assert torch.equal(refined(codes, weight, hessian.matrix, Scheme(4, 32), 2).zeros, codes.zeros)


@pytest.mark.parametrize("symmetric", [False, True])
def test_rows_and_groups_of_zeros_stay_zero(problem, symmetric):
    weight, hessian = problem
    weight[:, :3] = 0
    weight[:32, 3] = 0
    scheme = Scheme(4, 32, symmetric)
    rounded = gptq_quantize(weight.clone(), hessian, scheme, compensate=False)
    found = refined(rounded, weight, hessian.matrix, scheme, 2)
    assert (found.dequantize()[:3] == 0).all() and torch.isfinite(found.dequantize()).all()
    assert (row_errors(found, weight, hessian.matrix) <= row_errors(rounded, weight, hessian.matrix) * 1.0001).all()
