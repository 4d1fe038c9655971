"""A captured step run with stand-ins: its rows depend on what the model's rows depend on."""

import pytest
import torch
from torch.nn.functional import embedding, linear, silu

from tyllm.llm.stand_in_run import StandInRun, chosen_scale, own_value, stand_in
from tytvm.capture import capture


class Layer(torch.nn.Module):
    """A table, a product in both ways to write it, a bias, and a type that is asked for."""

    def __init__(self):
        super().__init__()
        self.table = torch.nn.Parameter(torch.zeros(50, 8))
        self.weight, self.bias = torch.nn.Parameter(torch.zeros(12, 8)), torch.nn.Parameter(torch.zeros(12))
        self.register_buffer("shift", torch.full((12,), 0.5))

    def forward(self, tokens):
        x = embedding(tokens, self.table)
        return (
            silu(linear(x, self.weight, self.bias) + torch.addmm(self.bias, x[0], self.weight.T)).float() + self.shift
        )


@pytest.fixture(params=[0, 1 << 18], ids=["stood in for", "as it is"])
def run(request):
    captured = capture(Layer().to("meta"), {"tokens": torch.zeros(1, 4, dtype=torch.int64, device="meta")})
    return StandInRun(captured, request.param)


def test_a_row_depends_on_its_own_token_alone(run):
    first = run({"tokens": torch.tensor([[3, 1, 4, 1]])})
    other = run({"tokens": torch.tensor([[3, 1, 5, 1]])})
    assert first.dtype == torch.float64 and first.shape == (1, 4, 12)
    assert torch.equal(first[0, 1], first[0, 3])
    same = (first == other).all(-1)[0]
    assert same.tolist() == [True, True, False, True]


def test_columns_differ(run):
    assert len(run({"tokens": torch.tensor([[3, 1, 4, 1]])})[0, 0].unique()) == 12


def test_a_large_weight_takes_no_memory():
    weight = stand_in("weight", (1 << 20, 1 << 20), 1)
    assert weight.shape == (1 << 20, 1 << 20)
    assert weight.untyped_storage().nbytes() == 8 << 20


def test_attention_gives_each_token_its_own():
    q, k, v = torch.randn(3, 1, 2, 5, 4, dtype=torch.float64)
    found = own_value(q, k, v, 0, 1.0, 0, 0.0)
    assert found.shape == (1, 5, 2, 4)
    k[:, :, 3] += 1
    assert (found == own_value(q, k, v, 0, 1.0, 0, 0.0)).all(-1).all(-1)[0].tolist() == [True, True, True, False, True]


def test_a_rotation_of_query_and_key_alike_shows():
    q, k, v = torch.randn(3, 1, 2, 5, 4, dtype=torch.float64)
    assert not torch.allclose(own_value(q, k, v), own_value(q.roll(1, -1), k.roll(1, -1), v))


def test_experts_depend_on_row_choice_and_weight():
    x, chosen, weight = torch.randn(3, 4), torch.tensor([[0, 1], [1, 2], [0, 2]]), torch.rand(3, 2)
    first = chosen_scale(x, chosen, weight)
    other = torch.tensor([[0, 1], [1, 2], [1, 2]])
    assert (first == chosen_scale(x, other, weight)).all(-1).tolist() == [True, True, False]
    assert (first != chosen_scale(x, chosen, 2 * weight)).all()


class Unknown(torch.nn.Module):
    """Constants without values, of both kinds, and memory that nobody has filled."""

    def __init__(self):
        super().__init__()
        self.register_buffer("share", torch.full((4,), 0.95))
        self.register_buffer("index", torch.tensor([1, 0]))

    def forward(self, x):
        return torch.special.erfinv(2 * self.share - 1) + x[..., self.index][..., :1] + 0 * torch.empty_like(x)


def test_what_has_no_value_gives_finite_numbers():
    torch.full((5, 4), torch.nan, dtype=torch.float64)  # what memory may hold
    captured = capture(Unknown().to("meta"), {"x": torch.zeros(5, 4, device="meta")})
    assert StandInRun(captured)({"x": torch.ones(5, 4)}).isfinite().all()
