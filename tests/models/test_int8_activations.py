"""Rounded activations: errors within half a step, groups apart, and a model whose inputs are rounded."""

import pytest
import torch
from int8_activations import asymmetric, symmetric, with_rounded_inputs
from measure import load, score, tokens_of
from random_weights import write_random_checkpoint
from small_config import small_config

from tytvm.kernels.rowwise import quantize_rows


@pytest.mark.parametrize(("rounded", "steps"), [(symmetric, 254), (asymmetric, 255)])
def test_error_is_half_a_step_of_the_group(rounded, steps):
    x = torch.randn(4, 256, generator=torch.Generator().manual_seed(0)) + 1
    groups, errors = x.reshape(-1, 64), (rounded(x, 64) - x).reshape(-1, 64)
    width = 2 * groups.abs().amax(1) if rounded is symmetric else groups.amax(1) - groups.amin(1).clamp(max=0)
    assert (errors.abs().amax(1) <= width / steps * 0.501 + 1e-6).all()


@pytest.mark.parametrize("rounded", [symmetric, asymmetric])
def test_an_outlier_harms_its_own_group_only(rounded):
    x = torch.randn(1, 128, generator=torch.Generator().manual_seed(0))
    large = x.clone()
    large[0, 0] = 1000
    assert torch.equal(rounded(large, 32)[0, 32:], rounded(x, 32)[0, 32:])
    assert (rounded(large, 32)[0, 1:32] == 0).sum() > 20


def test_symmetric_is_what_the_kernel_does():
    x = torch.randn(3, 128, generator=torch.Generator().manual_seed(0))
    q, scale, _ = quantize_rows.reference(x.numpy(), 64)
    torch.testing.assert_close(symmetric(x, 64), torch.from_numpy(q * scale.repeat(64, 1)), rtol=1e-5, atol=1e-6)


def test_a_model_with_rounded_inputs_is_close_and_the_other_stays(tmp_path):
    write_random_checkpoint(small_config("Qwen3-0.6B"), tmp_path)
    model, tokenizer = load(tmp_path)
    ids = tokens_of(tokenizer, tmp_path / "config.json")[:128]
    found = [score(with_rounded_inputs(model, symmetric, group), model, ids, 64) for group in (32, 128)]
    assert 0 < found[0].divergence < found[1].divergence < 0.1
    assert score(model, model, ids, 64).divergence == 0
