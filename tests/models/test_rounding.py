"""Rounding has sixteen steps at most and half a step of error."""

import torch
from rounding import quantize_linears, round_to_nearest


def test_rounding_error_is_half_a_step():
    weight = torch.randn(4, 256, generator=torch.Generator().manual_seed(0))
    rounded = round_to_nearest(weight)
    for before, after in zip(weight.reshape(-1, 128), rounded.reshape(-1, 128), strict=True):
        step = (before.max() - before.min()) / 15
        assert len(after.unique()) <= 16
        assert (before - after).abs().max() <= step * 1.01
        assert (before - after).abs().median() <= step / 2


def test_values_on_the_grid_stay():
    weight = (torch.arange(16.0) - 5).repeat(8)[None] * 0.25
    assert torch.equal(round_to_nearest(weight), weight)


def test_linear_layers_are_rounded_and_nothing_else():
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Embedding(4, 128), torch.nn.Linear(128, 3))
    table, weight = model[0].weight.clone(), model[1].weight.clone()
    quantize_linears(model)
    assert torch.equal(model[0].weight, table)
    assert torch.equal(model[1].weight, round_to_nearest(weight))
