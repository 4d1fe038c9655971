"""A graph over dies: the dies' graphs together compute what the whole one computes."""

import pytest
import torch
from tests.tyllm.graph.test_parallel_regions import subgraph_of
from tests.tyllm.torch_edgex.blocks import Attention, GatedMlp, VitBlock, sample

from tyllm.build.tensor_parallel import IN, OUT
from tyllm.graph.linear_layers import rewrite_as_linear_layers
from tyllm.graph.partitioning import partition
from tyllm.graph.sharding_spec import shape_of
from tyllm.graph.trace import trace


def traced_graph(kind):
    module, x = sample(kind)
    traced = trace(torch.export.export(module, (x,), strict=False).module(), (x,), ())
    rewrite_as_linear_layers(traced)
    return traced, x


def part_of_weight(weight, sharding, die):
    """The rows or columns of a weight that a die holds, of every block."""
    start, stop = sharding.spans[die]
    blocks = [
        block.narrow(sharding.axis, start, stop - start) for block in weight.chunk(sharding.blocks, sharding.axis)
    ]
    return torch.cat(blocks, sharding.axis)


@pytest.mark.parametrize("dies", [2, 3])
def test_partial_sums_add_up(dies):
    """The one region of an MLP ends in its last layer: its dies' results, without the bias but once, are summed."""
    traced, x = traced_graph(GatedMlp)
    graph_module, weights = traced.graph_module, traced.weights
    partitioning = partition(graph_module, set(weights), dies)
    shards = partitioning.shards()
    last = [node for node in graph_module.graph.nodes if node.target is torch.ops.aten.linear.default][-1]
    total = 0
    for die in range(dies):
        own = {name: part_of_weight(w, shards[name], die) if name in shards else w for name, w in weights.items()}
        own[last.args[2].name] = weights[last.args[2].name] * (die == 0)
        die_graph = partitioning.of_die(die)
        names = [node.name for node in die_graph.graph.find_nodes(op="placeholder")]
        total = total + die_graph(*[own.get(name, x) for name in names])[0]
    wanted = graph_module(*[weights.get(n.name, x) for n in graph_module.graph.find_nodes(op="placeholder")])[0]
    assert torch.allclose(total, wanted, atol=1e-5)


@pytest.mark.parametrize("kind", [GatedMlp, VitBlock, Attention])
def test_each_weight_is_held_once(kind):
    subgraph = subgraph_of(*sample(kind))
    partitioning = partition(subgraph.graph_module, set(subgraph.parameters), 2)
    shapes = {n.name: shape_of(n) for n in subgraph.graph_module.graph.find_nodes(op="placeholder")}
    shards = partitioning.shards()
    assert {sharding.axis for sharding in shards.values()} == {OUT, IN}
    for name, sharding in shards.items():
        assert sum(sharding.size(die) for die in (0, 1)) == shapes[name][sharding.axis]


def test_the_whole_graph_stays_as_it_is():
    subgraph = subgraph_of(*sample(VitBlock))
    before = [shape_of(n) for n in subgraph.graph_module.graph.nodes if isinstance(n.meta.get("val"), torch.Tensor)]
    partition(subgraph.graph_module, set(subgraph.parameters), 2).of_die(1)
    after = [shape_of(n) for n in subgraph.graph_module.graph.nodes if isinstance(n.meta.get("val"), torch.Tensor)]
    assert before == after


def test_one_die_is_not_searched():
    subgraph = subgraph_of(*sample(GatedMlp))
    assert not partition(subgraph.graph_module, set(subgraph.parameters), 1).regions


def test_shapes_that_contradict_each_other():
    subgraph = subgraph_of(*sample(GatedMlp))
    partitioning = partition(subgraph.graph_module, set(subgraph.parameters), 2)
    (region,) = partitioning.regions
    inner = next(node for node in region.specs if node.op == "call_function")
    del region.specs[inner]
    with pytest.raises((ValueError, RuntimeError)):
        partitioning.of_die(0)
