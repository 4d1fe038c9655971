"""What is divided over dies."""

import pytest
import torch
from tests.tyllm.torch_edgex.blocks import Attention, GatedMlp, ResNetBlock, VitBlock, sample

from tyllm.graph.linear_layers import rewrite_as_linear_layers
from tyllm.graph.parallel_regions import LINEAR, find_regions
from tyllm.graph.partitioning import Partitioning
from tyllm.graph.sharding_spec import shape_of
from tyllm.graph.subgraphs import find_subgraphs
from tyllm.graph.supported_subgraphs import extract_supported
from tyllm.graph.trace import trace


def subgraph_of(module, x):
    """The one subgraph that a module's graph is."""
    graph_module = torch.export.export(module, (x,), strict=False).module()
    traced = trace(graph_module, (x,), ())
    rewrite_as_linear_layers(traced)
    (subgraph,) = find_subgraphs(extract_supported(traced.graph_module, {}), traced.weights)
    return subgraph


def regions_of(module, x, dies=2):
    subgraph = subgraph_of(module, x)
    return subgraph, find_regions(subgraph.graph_module.graph, set(subgraph.parameters), dies)


@pytest.mark.parametrize(
    ("kind", "units"), [(GatedMlp, [96]), (VitBlock, [4, 128]), (Attention, [2]), (ResNetBlock, [])]
)
def test_regions(kind, units):
    assert [region.units for region in regions_of(*sample(kind))[1]] == units


def test_more_dies_than_heads_leave_attention_whole():
    assert not regions_of(*sample(Attention), dies=3)[1]


def test_a_value_that_is_read_outside_stays_whole():
    class Leaky(GatedMlp):
        def forward(self, x):
            y = self.gate(x)
            return self.down(torch.relu(y)), y

    assert not regions_of(Leaky().eval(), torch.randn(5, 32))[1]


def test_uneven_dies_hold_all_units_once():
    subgraph, regions = regions_of(*sample(GatedMlp), dies=2)
    (region,) = regions
    assert region.spans(2) == [(0, 64), (64, 96)]
    assert region.spans(4) == [(0, 32), (32, 64), (64, 80), (80, 96)]
    partitioning = Partitioning(subgraph.graph_module, regions, 2)
    inner = [[shape_of(n)[-1] for n in partitioning.of_die(die).graph.nodes if n.target is LINEAR] for die in (0, 1)]
    assert inner == [[64, 64, 32], [32, 32, 32]]  # gate, up and down of 96, in steps of 32
