"""The imported graph: parameters named by place, our kernels where we have them, no work for a change of shape."""

import pytest
import torch
from tests.tytvm.imported_graph import FLOATS, INPUTS, KERNELS, calls, imported
from tests.tytvm.small_graph import Calculation, Small, graph_of

from tyllm_base.errors import UnsupportedError
from tytvm.lower import lower


def test_parameters_are_named_by_place():
    module = imported(graph_of(Small(), **INPUTS))
    names = {variable.name for variable in module["main"].params}
    weights = {f"params:{name}" for name, _ in Small().named_parameters()}
    assert names == weights | {"io:tokens", "io:row"}


def test_our_kernels_do_what_they_can():
    found = calls(imported(graph_of(Small(), **INPUTS)))
    kernels = ["embedding", "rms_norm", "linear_w16a16", "swiglu"]
    assert [sum(name.startswith(kernel) for name in found) for kernel in kernels] == [1, 1, 4, 1]
    assert "linear_w16a16_4_40_32_bias" in found


class VisionBlock(torch.nn.Module):
    """Residuals, norms of both kinds, SwiGLU with biases and QuickGELU; no width is a whole number of tiles."""

    def __init__(self):
        super().__init__()
        self.patch = torch.nn.Linear(90, 64, bias=False)
        self.gate, self.up = torch.nn.Linear(64, 108), torch.nn.Linear(64, 108)
        self.down = torch.nn.Linear(108, 64)
        self.first, self.second = torch.nn.Linear(64, 76), torch.nn.Linear(76, 64)
        self.root_mean_square, self.layer = torch.nn.RMSNorm(64, eps=1e-6), torch.nn.LayerNorm(64, eps=1e-6)

    def forward(self, x):
        x = self.patch(x)
        h = self.root_mean_square(x)
        x = x + self.down(torch.nn.functional.silu(self.gate(h)) * self.up(h))
        h = self.first(self.layer(x))
        return x + self.second(h * torch.sigmoid(1.702 * h))


@pytest.mark.skipif(not KERNELS.spec.has_tiles, reason="this machine has no AMX")
def test_a_vision_block_on_tiles():
    found = calls(lower(imported(graph_of(VisionBlock(), x=torch.zeros(48, 90)))))
    *kernels, total = found
    assert "add" in total and kernels == [
        "bfloat16_tiles_48_90",
        "linear_w16a16_amx_48_90_64",
        "rms_norm_bfloat16_48_64",
        "gated_w16a16_amx_48_64_108_bias",
        "linear_w16a16_amx_48_108_64_bias",
        "add_layer_norm_bfloat16_48_64",
        "quick_gelu_w16a16_amx_48_64_76_bias",
        "linear_w16a16_amx_48_76_64_bias",
    ]


def test_a_vision_block_on_vectors():
    found = calls(imported(graph_of(VisionBlock(), x=torch.zeros(48, 90)), FLOATS))
    kernels = ["rms_norm_48_64", "swiglu_48_108", "add_layer_norm_48_64", "quick_gelu_48_76"]
    assert [name for name in found if "norm" in name or "glu" in name or "gelu" in name] == kernels


def test_an_unknown_operator_is_refused_by_its_name():
    graph = graph_of(Calculation(lambda x: (torch.linalg.inv_ex(x)[0],)), x=torch.zeros(4, 4))
    with pytest.raises(UnsupportedError, match=r"computes aten\.linalg_inv_ex\.default in \w+, for which there is"):
        imported(graph)
