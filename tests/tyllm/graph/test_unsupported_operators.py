"""An operator that cannot be compiled is found, named, and run by torch."""

import pytest
import torch
from tests.tyllm.torch_edgex.blocks import compiled, error, folders
from torch import nn

from tyllm import torch_edgex


def test_an_unknown_operator_runs_in_torch_and_is_named(tmp_path):
    class Mixed(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.last = nn.Linear(8, 8), nn.Linear(8, 8)

        def forward(self, x):
            return self.last(torch.linalg.inv(self.first(x) + 9 * torch.eye(8)))

    torch.manual_seed(0)
    module, x = Mixed().eval(), torch.randn(8, 8)
    with pytest.warns(
        torch_edgex.FallbackWarning,
        match=r"Of forward \(test_unsupported_operators.py, line \d+\), aten.linalg_inv.default cannot be compiled",
    ):
        found = compiled(module)(x)
    assert error(found, module(x)) < 2e-3
    assert folders(tmp_path)[0].joinpath("edgex_die0.so").is_file()  # the linear layers are compiled
