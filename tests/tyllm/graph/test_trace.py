"""The traced graph: functional, in float32, with weights apart from arguments."""

import pytest
import torch
import torch.nn.functional as F
from tests.tyllm.torch_edgex.blocks import GatedMlp, compiled, error, sample
from torch import nn


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_computes_in_float32(dtype):
    module, x = sample(GatedMlp)
    wanted = module.to(dtype).float()(x.to(dtype).float())
    found = compiled(module.to(dtype))(x.to(dtype))
    assert found.dtype == dtype
    assert error(found.float(), wanted) < 1e-3 + torch.finfo(dtype).eps


def test_what_the_module_writes_is_written():
    class Counter(nn.Module):
        def __init__(self):
            super().__init__()
            self.register_buffer("total", torch.zeros(16))

        def forward(self, x):
            self.total.add_(F.gelu(x).sum(0))
            return self.total * 2

    module, x = Counter().eval(), torch.randn(3, 16)
    function = compiled(module)
    for calls in (1, 2):
        found = function(x)
        assert torch.allclose(module.total, calls * F.gelu(x).sum(0), atol=1e-5)
        assert torch.allclose(found, 2 * module.total, atol=1e-5)
