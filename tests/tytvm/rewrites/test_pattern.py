"""Patterns bind their wildcards, backtrack over the orders of sums and products, and know the operators' defaults."""

import torch
from torch import fx

from tytvm.rewrites.pattern import OperatorPattern, Wildcard, complete, matches

aten = torch.ops.aten
x, y, z = Wildcard("x"), Wildcard("y"), Wildcard("z")


def call(graph, target, *args, **kwargs):
    return graph.call_function(target, args, kwargs)


def found(pattern, value):
    return [dict(match.values) for match in matches(pattern, value)]


def test_a_hole_is_anything():
    assert found(x, 3) == [{"x": 3}]


def test_a_product_matches_in_both_orders():
    graph = fx.Graph()
    a, b = graph.placeholder("a"), graph.placeholder("b")
    assert found(x * y, call(graph, aten.mul.Tensor, a, b)) == [{"x": a, "y": b}, {"x": b, "y": a}]


def test_a_hole_that_stands_twice_is_the_same_both_times():
    graph = fx.Graph()
    a, b = graph.placeholder("a"), graph.placeholder("b")
    assert found(x * x, call(graph, aten.mul.Tensor, a, b)) == []
    assert found(x * x, call(graph, aten.mul.Tensor, a, a))[0] == {"x": a}


def test_a_wrong_first_order_is_taken_back():
    graph = fx.Graph()
    a, b = graph.placeholder("a"), graph.placeholder("b")
    total = call(graph, aten.add.Tensor, call(graph, aten.neg.default, b), call(graph, aten.mul.Tensor, a, b))
    assert found(x * y + -x, total) == [{"x": b, "y": a}]


def test_literals_and_lists_are_compared():
    graph = fx.Graph()
    a = graph.placeholder("a")
    joined = call(graph, aten.cat.default, [a, call(graph, aten.neg.default, a)], -1)
    assert found(OperatorPattern(aten.cat.default, ([x, -x], -1)), joined) == [{"x": a}]
    assert found(OperatorPattern(aten.cat.default, ([x, -x], 1)), joined) == []
    assert found(OperatorPattern(aten.cat.default, ([x], -1)), joined) == []
    assert found(x**2, call(graph, aten.pow.Tensor_Scalar, a, 2)) == [{"x": a}]
    assert found(x**2, call(graph, aten.pow.Tensor_Scalar, a, 3)) == []


def test_defaults_keywords_and_positions_are_one():
    graph = fx.Graph()
    a, b = graph.placeholder("a"), graph.placeholder("b")
    assert found(x + y, call(graph, aten.add.Tensor, a, b, alpha=1))
    assert not found(x + y, call(graph, aten.add.Tensor, a, b, alpha=2))
    mean = OperatorPattern(aten.mean.dim, (x, [-1], True))
    assert found(mean, call(graph, aten.mean.dim, a, [-1], keepdim=True))
    assert not found(mean, call(graph, aten.mean.dim, a, [-1]))
    assert complete(aten.slice.Tensor, (a,), {"end": 3}) == [a, 0, None, 3, 1]


def test_a_match_holds_the_nodes_of_its_calls():
    graph = fx.Graph()
    a = graph.placeholder("a")
    inner = call(graph, aten.neg.default, a)
    root = call(graph, aten.pow.Tensor_Scalar, inner, 2)
    assert [match.nodes for match in matches((-x) ** 2, root)] == [{inner, root}]
