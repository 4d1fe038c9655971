"""RMSNorm over the last axis with a weight is our kernel; any other is refused."""

import pytest
import torch
from tests.tytvm.imported_graph import of_function

from tyllm_base.errors import UnsupportedError

WEIGHT = torch.zeros(32)


def test_torchs_own_norm():
    def function(x, weight):
        return (torch.nn.functional.rms_norm(x, (32,), weight, 1e-6),)

    assert of_function(function, x=torch.zeros(4, 32), weight=WEIGHT) == ["rms_norm_4_32"]


def test_several_axes_are_refused():
    def function(x, weight):
        return (torch.ops.aten.rms_norm(x, [4, 32], weight, 1e-6),)

    with pytest.raises(UnsupportedError, match=r"over \[4, 32\]"):
        of_function(function, x=torch.zeros(2, 4, 32), weight=torch.zeros(4, 32))


def test_no_weight_is_refused():
    with pytest.raises(UnsupportedError, match="with weight None"):
        of_function(lambda x: (torch.ops.aten.rms_norm(x, [32], None, 1e-6),), x=torch.zeros(4, 32))
