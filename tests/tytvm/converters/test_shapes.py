"""A change of shape that moves no data is no work."""

import pytest
import torch
from tests.tytvm.imported_graph import of_function


@pytest.mark.parametrize("order", [(0, 2, 1, 3), (1, 0, 2, 3), (2, 0, 3, 1)])
def test_a_permutation_of_axes_of_length_one_is_a_reshape(order):
    found = of_function(lambda x: (x.permute(order) + 1,), x=torch.zeros(1, 1, 4, 8))
    assert "relax.permute_dims" not in found and "relax.add" in found


@pytest.mark.parametrize("shape", [(1, 3, 4, 8), (1, 4, 4, 8)])
def test_a_permutation_that_moves_data_is_one(shape):
    assert "relax.permute_dims" in of_function(lambda x: (x.transpose(1, 2) + 1,), x=torch.zeros(shape))


def test_a_change_of_shape_is_a_reshape():
    found = of_function(lambda x: (x.unsqueeze(0).squeeze(0) + 1,), x=torch.zeros(3, 4))
    assert set(found) <= {"relax.reshape", "relax.add"}
