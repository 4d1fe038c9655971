"""What follows from constants alone becomes a constant of the same value; weights, inputs and chance do not."""

import pytest
import torch

from tytvm.capture import capture
from tytvm.rewrites import constants


class Rotating(torch.nn.Module):
    """Tables of positions, an order and its inverse, as a vision tower has them."""

    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.randn(8))
        for name, value in {
            "positions": torch.arange(6).view(2, 3).flip(0),
            "frequencies": torch.rand(4),
            "order": torch.tensor([2, 0, 1]),
            "unread": torch.ones(3),
        }.items():
            self.register_buffer(name, value, persistent=False)

    def forward(self, x):
        angles = self.positions[0].float()[:, None] * self.frequencies
        table = torch.cat([angles.cos(), angles.sin()], -1)[self.order]
        back = torch.argsort(self.order)
        return (x * table + self.weight)[back], back


def captured_on_meta(module, **inputs):
    """The capture of a module whose buffers have values, and whose weights have none."""
    for owner in module.modules():
        for name, parameter in owner._parameters.items():
            owner._parameters[name] = torch.nn.Parameter(parameter.to("meta"))
    return capture(module, {name: value.to("meta") for name, value in inputs.items()})


def folded(module, **inputs):
    """The capture of a module, folded, and what its graph then returns."""
    expected = module(**inputs)
    values = {name: value.detach().clone() for name, value in module.named_parameters()}
    captured = captured_on_meta(module, **inputs)
    count = constants.fold(captured)
    known = {node: values[name] for node, name in captured.parameters.items()} | captured.constants | inputs
    placeholders = captured.graph_module.graph.find_nodes(op="placeholder")
    got = captured.graph_module(*(known[node.name] for node in placeholders))
    torch.testing.assert_close(tuple(got), expected if isinstance(expected, tuple) else (expected,))
    return captured, count


def called(captured):
    return [node.target.__name__ for node in captured.graph_module.graph.nodes if node.op == "call_function"]


def test_tables_and_orders_are_computed():
    captured, count = folded(Rotating(), x=torch.randn(3, 8))
    assert called(captured) == ["mul.Tensor", "add.Tensor", "index.Tensor"]
    assert count > 0 and {value.dtype for value in captured.constants.values()} == {torch.float32, torch.int64}


def test_constants_that_nothing_reads_go():
    captured, _ = folded(Rotating(), x=torch.randn(3, 8))
    names = {node.name for node in captured.graph_module.graph.find_nodes(op="placeholder")}
    assert names == {*captured.parameters, *captured.constants, "x"}
    assert len(captured.constants) == 2


class Pieces(torch.nn.Module):
    """Reads one of several tensors that an operator returns."""

    def __init__(self):
        super().__init__()
        self.register_buffer("table", torch.arange(6.0))

    def forward(self, x):
        first, second = self.table.split(3)
        return x * first + second.exp()


def test_lists_of_tensors():
    captured, _ = folded(Pieces(), x=torch.randn(3))
    assert called(captured) == ["mul.Tensor", "add.Tensor"]


class Twice(Pieces):
    """Computes the same table twice."""

    def forward(self, x):
        return (x + (self.table * 2)) * (self.table * 2)


def test_equal_constants_are_one():
    captured, _ = folded(Twice(), x=torch.randn(6))
    assert len(captured.constants) == 1


class Returned(Pieces):
    """Returns what follows from its table."""

    def forward(self, x):
        return x * 2, self.table + 1


def test_what_is_returned_may_be_constant():
    captured, _ = folded(Returned(), x=torch.randn(3))
    assert called(captured) == ["mul.Tensor"]


class Large(Pieces):
    """Repeats a table."""

    def forward(self, x):
        return x + (self.table * 2).unsqueeze(0).expand(x.shape[0], 6)


@pytest.mark.parametrize(("rows", "is_folded"), [(4, True), (5, False)])
def test_large_values_are_left_to_the_program(monkeypatch, rows, is_folded):
    monkeypatch.setattr(constants, "MOST_BYTES", 4 * 6 * 4)
    captured, _ = folded(Large(), x=torch.randn(rows, 6))
    assert ("expand.default" not in called(captured)) == is_folded
    assert "mul.Tensor" not in called(captured)


class Chance(Pieces):
    """Draws by a table."""

    def forward(self, x):
        return x + torch.bernoulli(self.table / 6)


def test_chance_stays():
    captured = captured_on_meta(Chance(), x=torch.randn(6))
    constants.fold(captured)
    assert "bernoulli.default" in called(captured)


class InPlace(Pieces):
    """Writes to a copy of its table."""

    def forward(self, x):
        copy = self.table.clone()
        copy.mul_(2)
        return x + copy


def test_what_the_code_writes_in_place_is_folded():
    captured, _ = folded(InPlace(), x=torch.randn(6))
    assert called(captured) == ["add.Tensor"]


def test_a_graph_that_writes_to_its_inputs_stays():
    captured = captured_on_meta(InPlace(), x=torch.randn(6))
    product = next(node for node in captured.graph_module.graph.nodes if node.target is torch.ops.aten.mul.Tensor)
    product.target = torch.ops.aten.mul_.Tensor
    before = str(captured.graph_module.graph)
    assert constants.fold(captured) == 0 and str(captured.graph_module.graph) == before


def test_a_constant_without_a_value_is_none():
    module = Pieces()
    captured = captured_on_meta(module.to("meta"), x=torch.randn(3))
    assert constants.fold(captured) == 0
