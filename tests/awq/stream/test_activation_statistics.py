"""Statistics add up over batches, and recorded calls replay to the same output."""

import torch
from torch import nn

from awq.stream.activation_statistics import (
    InputStatistics,
    LayerArguments,
    OtherArguments,
    collect_statistics,
    forward,
    record_calls,
)


class Layer(nn.Module):
    """Adds a tensor per sample and a shared one, then a linear layer."""

    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(4, 4)

    def forward(self, hidden, each, shared=None):
        return self.linear(hidden + each + shared["x"][0])


def arguments():
    torch.manual_seed(0)
    each, shared = torch.randn(6, 1, 4), {"shared": {"x": (torch.randn(1, 5, 4),)}}
    return LayerArguments(torch.randn(6, 5, 4), OtherArguments((each,), shared), OtherArguments((each[:1],), shared))


def test_samples_are_found_on_any_axis_and_with_several_entries_each():
    several, second, as_many = torch.randn(12, 1, 4), torch.randn(3, 6, 4), torch.randn(6, 1, 1)
    other = OtherArguments((several, second, as_many), {})
    one = OtherArguments((several[:2], second[:, :1], as_many), {})
    found = LayerArguments(torch.randn(6, 5, 4), other, one).take(slice(2, 4)).other.args
    torch.testing.assert_close(found, (several[4:8], second[:, 2:4], as_many))


@torch.no_grad()
def test_batches_give_what_all_samples_at_once_give():
    layer, given = Layer(), arguments()
    torch.testing.assert_close(forward(layer, given, 4), given.call(layer))


@torch.no_grad()
def test_statistics_are_those_of_all_tokens():
    layer, given = Layer(), arguments()
    found = InputStatistics.empty(4, 2, torch.device("cpu"))
    collect_statistics(layer, {"linear": found}, given, 4)
    x = (given.hidden + given.other.args[0] + given.other.kwargs["shared"]["x"][0]).view(-1, 4)
    assert found.tokens == 30
    torch.testing.assert_close(found.magnitude, x.abs().sum(0))
    torch.testing.assert_close(found.moments[1], x[:, 2:].T @ x[:, 2:])
    scale = torch.tensor([1.0, 2.0, 4.0, 8.0])
    again = InputStatistics.empty(4, 2, torch.device("cpu"))
    again.accumulate(x / scale)
    torch.testing.assert_close(found.scaled(scale).moments, again.moments)


@torch.no_grad()
def test_a_recorded_call_replays():
    layer, given = Layer(), arguments()
    calls = record_calls(layer, ["linear", ""], given.take(slice(None, None, 2)))
    for name, call in calls.items():
        torch.testing.assert_close(layer.get_submodule(name)(*call.args, **call.kwargs), call.output)
    torch.testing.assert_close(calls[""].output, given.call(layer)[::2])
