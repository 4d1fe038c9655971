"""Activations are written in the encoding that all their consumers read; float32 where they differ."""

import pytest
import torch
from tests.tytvm.imported_graph import INPUTS, calls, imported
from tests.tytvm.small_graph import Small, graph_of, weight_formats

from tytvm.kernel_choice import Kernels
from tytvm.target import resolve
from tytvm.weights import W4


class Same(Small):
    """Both INT4 layers read the norm's result."""

    def forward(self, tokens, row):
        x = self.norm(self.table(tokens))
        return self.head((self.up(x) * self.gate(x))[..., :32][:, row])


def test_activations_of_one_layer_are_quantized_once():
    weights = weight_formats(Small()) | {name: W4(40, 32, 32) for name in ("up.weight", "gate.weight")}
    both = calls(imported(graph_of(Small(), weights, **INPUTS)))
    assert sum(name.startswith("quantize_rows") for name in both) == 1  # up reads x
    assert sum(name.startswith("rms_norm_int8") for name in both) == 1  # gate reads the norm
    assert sum(name.startswith("linear_w4a8") for name in both) == 2
    same = calls(imported(graph_of(Same(), weights, **INPUTS)))
    assert sum(name.startswith("rms_norm_int8") for name in same) == 1
    assert not any(name.startswith("quantize_rows") for name in same)


def test_rows_that_are_read_in_two_encodings_stay_float32():
    weights = weight_formats(Small()) | {"gate.weight": W4(40, 32, 32)}
    found = calls(imported(graph_of(Same(), weights, **INPUTS)))
    assert "rms_norm_4_32" in found and sum(name.startswith("quantize_rows") for name in found) == 1


class NormAndLinear(torch.nn.Module):
    """A norm that one linear layer reads."""

    def __init__(self, width):
        super().__init__()
        self.norm, self.linear = torch.nn.RMSNorm(width, eps=1e-6), torch.nn.Linear(width, 64, bias=False)

    def forward(self, x):
        return (self.linear(self.norm(x)),)


@pytest.mark.parametrize(
    ("width", "expected"),
    [(64, ["rms_norm_bfloat16_48_64"]), (76, ["rms_norm_48_76", "bfloat16_tiles_48_76"])],
)
def test_a_row_of_no_whole_units_is_encoded_by_a_kernel_of_its_own(width, expected):
    kernels = Kernels(resolve("x86-64-avx512-amx"), int8_activations=True)
    found = calls(imported(graph_of(NormAndLinear(width), x=torch.zeros(48, width)), kernels))
    assert found == [*expected, f"linear_w16a16_amx_48_{width}_64"]
