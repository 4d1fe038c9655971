"""Torch's own attention written out gives what torch gives."""

import pytest
import torch

from tyllm.llm.attention_steps import write_out

Q, K, V = (torch.randn(1, 2, 5, width, generator=torch.Generator().manual_seed(width)) for width in (4, 4, 3))
SEEN = torch.ones(5, 5).tril().bool()
OPTIONS = {
    "bare": {},
    "causal": {"is_causal": True},
    "scale": {"scale": 0.3},
    "truth values": {"attn_mask": SEEN},
    "numbers": {"attn_mask": torch.zeros(5, 5).masked_fill(~SEEN, -1e9), "scale": 2.0},
}


class Attends(torch.nn.Module):
    """Torch's attention."""

    def __init__(self, options):
        super().__init__()
        self.options = options

    def forward(self, q, k, v):
        return torch.nn.functional.scaled_dot_product_attention(q, k, v, **self.options)


@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
def test_gives_the_same(options):
    program = torch.export.export(Attends(options), (Q, K, V))
    assert write_out(program.graph) == 1
    program.graph_module.recompile()
    constants = [program.constants[spec.target] for spec in program.graph_signature.input_specs[:-3]]
    got = program.graph_module(*constants, Q, K, V)
    assert torch.allclose(got[0], Attends(options)(Q, K, V), atol=1e-6)


def test_groups_of_heads_stay():
    program = torch.export.export(Attends({"enable_gqa": True}), (Q, K[:, :1], V[:, :1]))
    assert write_out(program.graph) == 0
