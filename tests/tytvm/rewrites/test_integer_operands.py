"""Integers of which an operator makes floats become float32 before it, and nothing else does."""

import pytest
import torch


def count(graph_module):
    return graph_module.meta["rewrites"]["integer_operands"]


@pytest.mark.parametrize(
    "function",
    [torch.log, torch.cos, lambda n: n / 4, lambda n: n * 0.1, lambda n: 1 - n / n, lambda n: n**0.5],
    ids=["log", "cos", "division", "product", "both", "power"],
)
def test_floats_of_integers(rewritten, function):
    graph_module = rewritten(lambda n: function(n), torch.arange(1, 6))
    assert count(graph_module) == 1
    (call,) = {user for node in graph_module.graph.find_nodes(op="call_function", target=torch.ops.aten.to.dtype)
               for user in node.users}  # fmt: skip
    assert {source.meta["val"].dtype for source in call.all_input_nodes} == {torch.float32}


def test_floats_and_integers_of_integers_stay(rewritten):
    assert count(rewritten(lambda x, n: (torch.log(x) * 2, n * 2 + n), torch.rand(5) + 1, torch.arange(5))) == 0
