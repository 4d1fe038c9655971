"""The clip search against a slow replay of every candidate on the tokens themselves."""

import torch

from awq.method.clip_search import SHRINKS, clip_weight, may_clip, output_error
from awq.method.rounding import Scheme, round_groups


def moments(x, group_size):
    groups = x.unflatten(1, (-1, group_size)).transpose(0, 1)
    return groups.transpose(1, 2) @ groups


def test_output_error_is_the_squared_error_of_each_group():
    torch.manual_seed(0)
    x, d = torch.randn(50, 64), torch.randn(8, 64)
    expected = torch.einsum("tGg,nGg->tnG", x.unflatten(1, (2, 32)), d.unflatten(1, (2, 32))).square().sum(0)
    torch.testing.assert_close(output_error(d.unflatten(1, (2, 32)), moments(x, 32))[..., 0], expected)


def test_each_group_gets_the_range_that_a_replay_finds():
    torch.manual_seed(1)
    x, weight = torch.randn(64, 64) * torch.rand(64), torch.randn(8, 64) ** 3
    clipped = clip_weight(weight, moments(x, 32), Scheme(4, 32)).unflatten(1, (2, 32))
    for n in range(8):
        for group in range(2):
            w, inputs = weight.unflatten(1, (2, 32))[n, group], x.unflatten(1, (2, 32))[:, group]
            low, high, largest = w.min(), w.max(), w.abs().max()
            trials = [w.clamp(-largest * s, largest * s) for s in SHRINKS] + [
                w.clamp(low * s, high * s) for s in SHRINKS
            ]
            errors = torch.stack(
                [(inputs @ (round_groups(t[None], Scheme(4, 32))[0] - w)).square().sum() for t in trials]
            )
            found = (inputs @ (round_groups(clipped[n, group][None], Scheme(4, 32))[0] - w)).square().sum()
            torch.testing.assert_close(found, errors.min(), rtol=1e-3, atol=1e-4)


def test_queries_and_keys_are_left_alone():
    assert [may_clip(f"self_attn.{name}_proj") for name in "qkvo"] == [False, False, True, True]
