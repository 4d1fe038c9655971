"""A mixture of experts is six kernels, each on the encoding that it reads."""

import pytest
import torch
from tests.tytvm.imported_graph import FLOATS, KERNELS, calls, imported
from tests.tytvm.small_graph import graph_of

from tyllm_base.errors import UnsupportedError
from tytvm.weights import W4, W16, Plain


class Mixture(torch.nn.Module):
    """Eight experts of 64 channels, of which each token chooses two."""

    def __init__(self, hidden=128, width=64):
        super().__init__()
        self.gate_up = torch.nn.Parameter(torch.zeros(8, 2 * width, hidden))
        self.down = torch.nn.Parameter(torch.zeros(8, hidden, width))

    def forward(self, x, chosen, weight):
        return torch.ops.tytvm.experts(x, chosen, weight, self.gate_up, self.down, "silu")


INPUTS = {"x": torch.zeros(3, 128), "chosen": torch.zeros(3, 2, dtype=torch.int64), "weight": torch.zeros(3, 2)}


@pytest.mark.parametrize(
    ("kernels", "weights", "names"),
    [
        (
            KERNELS,
            {"gate_up": W4(8 * 128, 128, 64), "down": W4(8 * 128, 64, 64)},
            [
                "group_by_expert_3_2_8",
                "quantize_rows_3_128_64",
                "experts_w4a8_3_2_8_128_128_64_gathered",
                "gated_silu_int8_6_64_64",
                "experts_w4a8_3_2_8_64_128_64",
                "combine_experts_3_2_8_128",
            ],
        ),
        (
            FLOATS,
            {"gate_up": W4(8 * 128, 128, 64), "down": W16(8 * 128, 64)},
            [
                "group_by_expert_3_2_8",
                "experts_w4a16_3_2_8_128_128_64_gathered",
                "gated_silu_6_64",
                "experts_w16a16_3_2_8_64_128",
                "combine_experts_3_2_8_128",
            ],
        ),
    ],
)
def test_its_kernels(kernels, weights, names):
    found = calls(imported(graph_of(Mixture(), weights, **INPUTS), kernels))
    assert [name for name in found if not name.startswith("relax.")] == names


class WithBiases(Mixture):
    """With biases, and a gate that is cut and shifted."""

    def __init__(self):
        super().__init__()
        self.both, self.last = (torch.nn.Parameter(torch.zeros(8 * 128)) for _ in range(2))

    def forward(self, x, chosen, weight):
        gate = ("quick_gelu", 7.0, 1.0)
        return torch.ops.tytvm.experts(x, chosen, weight, self.gate_up, self.down, *gate, self.both, self.last)


def test_biases_are_added_by_the_products():
    weights = {"gate_up": W16(8 * 128, 128), "down": W16(8 * 128, 64)}
    weights |= {"both": Plain((8 * 128,)), "last": Plain((8 * 128,))}
    found = calls(imported(graph_of(WithBiases(), weights, **INPUTS), FLOATS))
    assert found[1:4] == [
        "experts_w16a16_3_2_8_128_128_gathered_bias",
        "gated_quick_gelu_6_64_limited_shifted",
        "experts_w16a16_3_2_8_64_128_bias",
    ]


def test_an_expert_of_no_whole_vectors_is_refused():
    weights = {"gate_up": W16(8 * 80, 128), "down": W16(8 * 128, 40)}
    imported(graph_of(Mixture(width=40), weights, **INPUTS))
    weights = {"gate_up": W16(8 * 40, 128), "down": W16(8 * 128, 20)}
    with pytest.raises(UnsupportedError, match="have 40 outputs each, which cannot be compiled"):
        imported(graph_of(Mixture(width=20), weights, **INPUTS))
