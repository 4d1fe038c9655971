"""A quantized weight: what its codes stand for, in both sets of types, its rows, and the same in NumPy."""

import numpy as np
import pytest
import torch

from awq.method.quantized_weight import QuantizedWeight, dequantize_in_place

N, K, GROUP = 6, 64, 16


@pytest.fixture
def weight():
    generator = torch.Generator().manual_seed(0)
    codes, zeros = (torch.randint(0, 16, (N, width), generator=generator).float() for width in (K, K // GROUP))
    return QuantizedWeight(codes, torch.rand(N, K // GROUP, generator=generator).half().float(), zeros)


def test_each_weight_is_its_code_less_the_zero_times_the_scale(weight):
    before = weight.codes.clone()
    found, steps = weight.dequantize(), weight.steps()
    assert steps.shape == (N, K // GROUP, GROUP) and torch.equal(weight.codes, before)
    for row, column in ((0, 0), (2, 17), (5, 63)):
        group = column // GROUP
        step = weight.codes[row, column] - weight.zeros[row, group]
        assert steps[row, group, column % GROUP] == step
        assert found[row, column] == step * weight.scales[row, group]


def test_the_stored_types_hold_the_same(weight):
    compact = weight.compact()
    assert (compact.codes.dtype, compact.scales.dtype, compact.zeros.dtype) == (torch.uint8, torch.float16, torch.uint8)
    assert torch.equal(compact.dequantize(), weight.dequantize())
    np.testing.assert_array_equal(compact.to_numpy().dequantize(), weight.dequantize().numpy())


def test_a_weight_that_is_transposed_in_memory_stays_so(weight):
    """GPTQ and its refinement work on long rows [K, n]."""
    other = QuantizedWeight(*(getattr(weight, name).T.contiguous().T for name in ("codes", "scales", "zeros")))
    assert torch.equal(other.dequantize(), weight.dequantize())
    assert other.dequantize().T.is_contiguous() and other.steps().permute(1, 2, 0).is_contiguous()


def test_rows_and_their_concatenation(weight):
    parts = [weight.select_rows(slice(0, 2)), weight.select_rows(slice(2, N))]
    assert torch.equal(parts[1].dequantize(), weight.dequantize()[2:])
    assert torch.equal(QuantizedWeight.concatenated(parts).dequantize(), weight.dequantize())


def test_an_empty_weight_has_the_stored_types():
    empty = QuantizedWeight.empty(N, K, K // GROUP, torch.device("cpu"))
    assert empty.codes.shape == (N, K) and empty.scales.shape == empty.zeros.shape == (N, K // GROUP)
    assert (empty.codes.dtype, empty.scales.dtype, empty.zeros.dtype) == (torch.uint8, torch.float16, torch.uint8)


def test_dequantizing_in_place_returns_the_codes_tensor():
    codes = torch.tensor([[3.0, 9.0]])
    found = dequantize_in_place(codes, torch.tensor([[0.5]]), torch.tensor([[8.0]]))
    assert found is codes and found.tolist() == [[-2.5, 0.5]]
