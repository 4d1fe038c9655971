"""SwiGLU is done together with its two layers where one kernel can; else by itself."""

import pytest
import torch
from tests.tytvm.imported_graph import INPUTS, KERNELS, calls, imported
from tests.tytvm.small_graph import Small, graph_of, weight_formats

from tytvm.lower import lower
from tytvm.weights import W4


class Gated(Small):
    """Gate and up read the same, in whole groups of outputs."""

    def __init__(self):
        super().__init__(width=128)
        self.up, self.gate = (torch.nn.Linear(128, 256, bias=False) for _ in range(2))
        self.down = torch.nn.Linear(256, 128)

    def forward(self, tokens, row):
        x = self.norm(self.table(tokens))
        return self.head(self.down(torch.nn.functional.silu(self.gate(x)) * self.up(x))[:, row])


@pytest.mark.parametrize("tokens", [4, 16])
def test_many_rows_are_gated_where_they_are_multiplied(tokens):
    weights = weight_formats(Gated()) | {name: W4(256, 128, 128) for name in ("gate.weight", "up.weight")}
    weights["down.weight"] = W4(128, 256, 128)
    inputs = INPUTS | {"tokens": torch.zeros(1, tokens, dtype=torch.int64)}
    found = calls(lower(imported(graph_of(Gated(), weights, **inputs))))
    counts = [sum(name.startswith(kind) for name in found) for kind in ("gated", "swiglu", "linear_w4a8")]
    assert counts == ([1, 0, 1] if KERNELS.spec.has_tiles and tokens >= 16 else [0, 1, 3])


def test_layers_of_two_inputs_are_not_fused():
    """In `Small` the gate reads the norm and `up` does not."""
    found = calls(imported(graph_of(Small(), **INPUTS)))
    assert [name for name in found if "swiglu" in name] == ["swiglu_4_40"]
