"""MLPs that take statistics over their channels are told from those that do not."""

import pytest
import torch

from tyllm.build.channel_statistics import takes_statistics


class Mlp(torch.nn.Module):
    """A gate with something done to it."""

    def __init__(self, between):
        super().__init__()
        with torch.device("meta"):
            self.gate, self.down = torch.nn.Linear(8, 12), torch.nn.Linear(12, 8)
        self.between = between

    def forward(self, x):
        return self.down(self.between(self.gate(x.softmax(-1))))


def sparse(x):
    """Gemma 3n's: what is beyond a quantile of a normal distribution."""
    limit = torch.distributions.Normal(0, 1).icdf(torch.tensor(0.95, device=x.device))
    return torch.relu(x - x.mean(-1, keepdim=True) - limit * x.std(-1, keepdim=True))


@pytest.mark.parametrize(
    ("between", "expected"),
    [
        (torch.nn.functional.silu, False),
        (lambda x: x * x, False),
        (lambda x: x.no_such_thing(), False),
        (sparse, True),
        (lambda x: torch.nn.functional.rms_norm(x, (12,)), True),
        (lambda x: torch.nn.functional.layer_norm(x, (12,)), True),
        (lambda x: x.softmax(-1), True),
    ],
    ids=["silu", "square", "fails", "sparse", "rms_norm", "layer_norm", "softmax"],
)
def test_statistics(between, expected):
    assert takes_statistics(Mlp(between), 8, 12) is expected
