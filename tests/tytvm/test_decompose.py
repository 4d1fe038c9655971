"""Assignments and composite operators are written out as functional ones; a graph without them stays as it is."""

import torch

from tytvm.decompose import COMPOSITE, decomposed

OPS = torch.ops.aten


class Assigns(torch.nn.Module):
    """Clamps in place, assigns to slices, and repeats."""

    def forward(self, x):
        x = x + 1
        x.clamp_(min=-1, max=1)
        joined = x.new_empty(2, 8)
        joined[:, :4] = x
        joined[:, 4:] = x.repeat_interleave(2, dim=-1)[:, :4]
        return joined


class Multiplies(torch.nn.Module):
    """Has nothing to decompose."""

    def forward(self, x):
        return torch.nn.functional.linear(torch.nn.functional.silu(x), x)


def exported(module, x):
    return torch.export.export(module, (x,), strict=False)


def test_no_operator_writes_and_none_is_composite():
    x = torch.randn(2, 4)
    program = decomposed(exported(Assigns(), x))
    targets = [node.target for node in program.graph.nodes if node.op == "call_function"]
    assert not any(target._schema.is_mutable or target in COMPOSITE for target in targets)
    assert OPS.slice_scatter.default in targets and OPS.clamp.default in targets
    torch.testing.assert_close(program.module()(x), Assigns()(x))


def test_what_has_kernels_stays_whole():
    program = exported(Multiplies(), torch.randn(4, 4))
    assert decomposed(program) is program
