"""Layers that share an input are quantized as a whole: in parts of rows, in blocks of inputs, for every scheme."""

import pytest
import torch

import awq.method.hessian
import awq.method.shared_input
from awq.method.error_propagation import InputCorrection, OutputCorrection
from awq.method.hessian import Hessian
from awq.method.quantized_weight import QuantizedWeight
from awq.method.rounding import Scheme, quantize_to_nearest
from awq.method.shared_input import SharedInput

pytestmark = pytest.mark.usefixtures("exact")
CPU = torch.device("cpu")
SCHEMES = [Scheme(bits, size, symmetric) for size in (32, 64, 128, 640) for bits, symmetric in ((4, False), (8, True))]
SCHEMES += [Scheme(4, 128, True), Scheme(4, 640, True), Scheme(8, 32)]


@pytest.fixture
def blocks(monkeypatch):
    """640 inputs lie in three blocks."""
    monkeypatch.setattr(awq.method.hessian, "LARGEST_BLOCK", 256)


def problem(rows=24, inputs=640, tokens=2000):
    generator = torch.Generator().manual_seed(0)
    weight = torch.randn(rows, inputs, generator=generator) / 20
    weight[3], weight[5, :128] = 0, 0
    x = torch.randn(tokens, 40, generator=generator) @ torch.randn(40, inputs, generator=generator)
    return weight, x + torch.randn(tokens, inputs, generator=generator)


def hessian_of(x):
    hessian = Hessian.empty(x.shape[1], CPU)
    hessian.accumulate(x)
    return hessian


FIELDS = ("codes", "scales", "zeros")


def same(one, other):
    return all(torch.equal(getattr(one, name), getattr(other, name)) for name in FIELDS)


def output_error(x, rounded, weight):
    return float((x @ (rounded.dequantize() - weight).T).square().sum())


@pytest.mark.usefixtures("blocks")
@pytest.mark.parametrize("scheme", SCHEMES)
def test_the_output_is_nearer_than_by_rounding_to_nearest(scheme):
    weight, x = problem()
    rounded = SharedInput(hessian_of(x)).quantize(weight.clone(), scheme)
    assert (rounded.codes.dtype, rounded.zeros.dtype, rounded.scales.dtype) == (torch.uint8, torch.uint8, torch.float16)
    assert rounded.scales.shape == rounded.zeros.shape == (24, 640 // scheme.group_size)
    assert int(rounded.codes.max()) <= scheme.levels and (rounded.scales > 0).all()
    assert not scheme.symmetric or (rounded.zeros == scheme.middle).all()
    assert not rounded.dequantize()[3].any()
    assert output_error(x, rounded, weight) < 0.6 * output_error(x, quantize_to_nearest(weight, scheme), weight)


@pytest.mark.usefixtures("blocks")
@pytest.mark.parametrize("scheme", SCHEMES)
def test_without_search_and_compensation_it_rounds_to_nearest(scheme):
    weight, x = problem()
    rounded = SharedInput(hessian_of(x), search=False, compensate=False).quantize(weight, scheme)
    assert same(rounded, quantize_to_nearest(weight, scheme))


@pytest.mark.parametrize("scheme", [Scheme(4, 64), Scheme(4, 128, symmetric=True)])
def test_blocks_are_rounded_each_by_itself(blocks, scheme):
    weight, x = problem()
    whole = SharedInput(hessian_of(x)).quantize(weight.clone(), scheme)
    parts = [
        SharedInput(hessian_of(x[:, s].contiguous())).quantize(weight[:, s].clone(), scheme)
        for s in hessian_of(x).spans
    ]
    assert len(parts) == 3
    joined = (torch.cat([getattr(part, name) for part in parts], 1) for name in FIELDS)
    assert same(whole, QuantizedWeight(*joined))


@pytest.mark.parametrize("size", [64, 640])
def test_parts_of_rows_make_the_whole(blocks, monkeypatch, size):
    weight, x = problem()
    wanted = x + torch.randn(x.shape, generator=torch.Generator().manual_seed(1)) / 10
    correction = OutputCorrection.empty(640, 24, CPU)
    correction.accumulate(x, wanted[:, :24] - x[:, :24])
    shared = SharedInput(hessian_of(x), correction)
    whole = shared.quantize(weight.clone(), Scheme(4, size))
    parts = [shared.quantize(weight[s : s + 8].clone(), Scheme(4, size), first=s) for s in (0, 8, 16)]
    monkeypatch.setattr(awq.method.shared_input, "ROWS", 7)
    small = shared.quantize(weight.clone(), Scheme(4, size))
    for other in (QuantizedWeight.concatenated(parts), small):
        differing = (other.dequantize() != whole.dequantize()).float().mean()
        assert differing < 0.01  # products of other shapes may round otherwise


def test_errors_of_the_input_are_made_good():
    weight, x = problem(inputs=128)
    wanted = x + torch.randn(x.shape, generator=torch.Generator().manual_seed(1)) @ torch.eye(128) * 0.3
    correction = InputCorrection.empty(128, CPU)
    correction.accumulate(x, wanted)

    def error(shared):
        return float((x @ shared.quantize(weight.clone(), Scheme(8, 64)).dequantize().T - wanted @ weight.T).norm())

    assert error(SharedInput(hessian_of(x), correction)) < 0.99 * error(SharedInput(hessian_of(x)))


@pytest.mark.usefixtures("blocks")
def test_the_weight_itself_stays_and_the_result_is_the_same_twice():
    weight, x = problem()
    before, shared = weight.clone(), SharedInput(hessian_of(x))
    first, again = shared.quantize(weight, Scheme(4, 64)), shared.quantize(weight, Scheme(4, 64))
    assert torch.equal(weight, before) and same(first, again)


@pytest.mark.parametrize("tokens", [1, 4])
def test_fewer_tokens_than_inputs_do_no_harm(tokens):
    weight, x = problem(tokens=tokens)
    _, fresh = problem(tokens=2000)
    rounded = SharedInput(hessian_of(x)).quantize(weight.clone(), Scheme(4, 128))
    nearest = quantize_to_nearest(weight, Scheme(4, 128))
    assert output_error(x, rounded, weight) < output_error(x, nearest, weight)
    assert output_error(fresh, rounded, weight) < 1.1 * output_error(fresh, nearest, weight)


def test_inputs_of_zeros_are_rounded_to_nearest_or_better():
    weight, x = problem()
    scheme = Scheme(4, 128)
    rounded = SharedInput(hessian_of(0 * x)).quantize(weight.clone(), scheme)
    assert (rounded.dequantize() - weight).norm() <= (quantize_to_nearest(weight, scheme).dequantize() - weight).norm()
