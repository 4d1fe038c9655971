"""The rewrites together: their order, what `apply` promises, and what it leaves alone."""

import torch

from tytvm.rewrites import REWRITES, apply


class Layer(torch.nn.Module):
    """A norm and a gate."""

    def forward(self, x, weight):
        normal = x.to(torch.float32) * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-6)
        out = weight * normal
        return torch.nn.functional.silu(out) * x


class InPlace(Layer):
    """The same, except that its input has changed meanwhile."""

    def forward(self, x, weight):
        scale = torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-6)
        x = x.clone()
        x.mul_(2.0)
        return x * scale * weight


def captured(module):
    return torch.export.export(module, (torch.randn(1, 3, 8), torch.randn(8))).graph_module


def test_order():
    assert [rewrite.name for rewrite in REWRITES] == [
        "cleanup",
        "complex_numbers",
        "scattered_slices",
        "written_rows",
        "conv_as_linear",
        "scaled_dot_product",
        "duplicates",
        "transposed_products",
        "integer_operands",
        "rms_norm",
        "rope",
        "swiglu",
        "quick_gelu",
    ]


def test_apply_changes_the_module_in_place_and_counts():
    graph_module = captured(Layer())
    assert apply(graph_module) is graph_module
    assert graph_module.meta["rewrites"] == {
        "cleanup": 2,
        "complex_numbers": 0,
        "scattered_slices": 0,
        "written_rows": 0,
        "conv_as_linear": 0,
        "scaled_dot_product": 0,
        "duplicates": 0,
        "transposed_products": 0,
        "integer_operands": 0,
        "rms_norm": 1,
        "rope": 0,
        "swiglu": 1,
        "quick_gelu": 0,
    }
    assert graph_module.code.count("torch.ops.tytvm") == 2


def test_applied_again_it_finds_nothing():
    graph_module = apply(captured(Layer()))
    before = str(graph_module.graph)
    assert set(apply(graph_module).meta["rewrites"].values()) == {0}
    assert str(graph_module.graph) == before


def test_a_graph_that_writes_to_its_inputs_stays():
    graph_module = captured(InPlace())
    assert any("mul_" in str(node.target) for node in graph_module.graph.nodes)
    before = str(graph_module.graph)
    assert set(apply(graph_module).meta["rewrites"].values()) == {0}
    assert str(graph_module.graph) == before


def test_stated_types_are_those_of_the_values():
    graph_module = apply(captured(Layer()))
    for node in graph_module.graph.nodes:
        if node.op != "output":
            assert node.meta["val"].dtype == torch.float32
            assert node.meta["val"].ndim in (1, 3)
