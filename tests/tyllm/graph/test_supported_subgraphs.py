"""What is compiled becomes submodules, as large as can be; what is unsupported or computes nothing stays outside."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from tyllm.graph.supported_subgraphs import copy_graph_module, extract_supported, has_known_types, subgraph_modules
from tyllm.graph.trace import trace


class Chain(nn.Module):
    """A few operators in a row."""

    def forward(self, x):
        return torch.cos(F.relu(torch.sin(x) + 1)).reshape(-1)


def traced(module, *inputs):
    return trace(torch.export.export(module, inputs, strict=False).module(), inputs, ()).graph_module


@pytest.fixture
def chain():
    return traced(Chain(), torch.randn(2, 3))


def operators(graph_module):
    return [node.name for node in graph_module.graph.nodes if node.op == "call_function"]


def test_all_of_it(chain):
    outer = extract_supported(chain, {})
    (subgraph,) = subgraph_modules(outer).values()
    assert operators(subgraph) == operators(chain)
    assert operators(outer) == []


def test_an_unsupported_operator_stays_outside(chain):
    outer = extract_supported(chain, {"relu"})
    assert operators(outer) == ["relu"]
    assert sorted(map(operators, subgraph_modules(outer).values())) == [["cos", "view"], ["sin", "add"]]
    x = torch.randn(2, 3)
    assert torch.equal(outer(x)[0], chain(x)[0])


def test_what_computes_nothing_is_not_compiled(chain):
    outer = extract_supported(chain, {"sin", "add", "relu", "cos"})
    assert not subgraph_modules(outer)


def test_placeholders_have_the_names_and_shapes_of_what_they_are_given(chain):
    outer = extract_supported(chain, {"relu"})
    last = next(each for each in subgraph_modules(outer).values() if "cos" in operators(each))
    (placeholder,) = last.graph.find_nodes(op="placeholder")
    assert placeholder.name == "relu"
    assert tuple(placeholder.meta["val"].shape) == (2, 3)


def test_types_that_the_compiler_does_not_know():
    graph_module = traced(Chain(), torch.randn(2, 3, dtype=torch.float64))
    nodes = [node for node in graph_module.graph.nodes if node.op == "call_function"]
    assert not any(map(has_known_types, nodes))


def test_an_empty_value(chain):
    (x,) = chain.graph.find_nodes(op="placeholder")
    assert has_known_types(x)
    x.meta["val"] = x.meta["val"].new_empty(0, 3)
    assert not has_known_types(x)


def test_a_copy_has_the_same_names(chain):
    copied, nodes = copy_graph_module(chain)
    assert [node.name for node in copied.graph.nodes] == [node.name for node in chain.graph.nodes]
    assert all(nodes[node].name == node.name and nodes[node] is not node for node in chain.graph.nodes)
