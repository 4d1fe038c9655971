"""A tensor that is made of a number keeps it through a capture on the meta device."""

import pytest
import torch
from tests.tytvm.small_graph import Calculation

from tytvm.capture import capture
from tytvm.known_numbers import KnownNumbers
from tytvm.rewrites.constants import fold


@pytest.mark.parametrize("number", [2.5, 3, True])
def test_it_is_the_tensor_of_the_number(number):
    with KnownNumbers():
        made = torch.tensor(number)
    assert torch.equal(made, torch.tensor(number)) and made.dtype == torch.tensor(number).dtype
    with KnownNumbers():
        assert torch.tensor(number, dtype=torch.float64).dtype == torch.float64
        assert torch.tensor([1, 2]).tolist() == [1, 2]


def test_a_captured_number():
    def scaled(x):
        return x * torch.tensor(0.5, device=x.device)

    found = capture(Calculation(scaled), {"x": torch.zeros(3, device="meta")})
    assert not found.constants  # none without a value
    fold(found)
    assert [value.item() for value in found.constants.values()] == [0.5]


@pytest.mark.parametrize(
    "index",
    [([-1],), (slice(None), [1]), (Ellipsis, [-2], slice(1, 2)), [2], (None, [0]), (1, [2]), ([0, 2],), ([0], [1])],
    ids=str,
)
def test_lists_as_an_index(index):
    x = torch.arange(24).view(3, 4, 2)
    with KnownNumbers():
        assert torch.equal(x[index], x.__getitem__(index))
    assert torch.equal(KnownNumbers().__torch_function__(torch.Tensor.__getitem__, (), (x, index)), x[index])


def test_a_captured_index():
    found = capture(Calculation(lambda x: x[:, [-1]]), {"x": torch.zeros(3, 4, device="meta")})
    assert not found.constants
