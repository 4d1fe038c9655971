"""Partial sums are summed over dies, and what belongs to no slice is added once."""

import pytest
import torch
from tests.tytvm.small_graph import Small, graph_of

from tytvm.collectives import insert_all_reduces

INPUTS = {"tokens": torch.zeros(1, 4, dtype=torch.int64), "row": torch.zeros(1, dtype=torch.int64)}
aten, ours = torch.ops.aten, torch.ops.tytvm


class Tied(torch.nn.Module):
    """Embedding and head share their table."""

    def __init__(self):
        super().__init__()
        self.table = torch.nn.Embedding(24, 8)
        self.head = torch.nn.Linear(8, 24, bias=False)
        self.head.weight = self.table.weight

    def forward(self, tokens, row):
        return self.head(self.table(tokens)[:, row])


class Experts(torch.nn.Module):
    """Four experts."""

    def __init__(self):
        super().__init__()
        self.gate_up, self.down = (torch.nn.Parameter(torch.zeros(4, *shape)) for shape in ((32, 32), (32, 16)))

    def forward(self, x, chosen, weight):
        return ours.experts(x, chosen, weight, self.gate_up, self.down, "silu")


@pytest.fixture
def captured():
    return lambda module: graph_of(module, **INPUTS).capture


def nodes(capture, target):
    return [node for node in capture.graph_module.graph.nodes if node.target is target]


def test_a_whole_model_has_none(captured):
    capture = captured(Small())
    assert insert_all_reduces(capture, set(), set()) == 0
    assert not nodes(capture, ours.all_reduce.default)


def test_after_a_linear_whose_inputs_are_cut(captured):
    capture = captured(Small())
    assert insert_all_reduces(capture, {"up.weight"}, set()) == 1
    (total,) = nodes(capture, ours.all_reduce.default)
    (linear,) = total.args
    assert capture.parameters[linear.args[1].name] == "up.weight"
    assert list(linear.users) == [total]
    assert total.meta["val"].shape == linear.meta["val"].shape


def test_the_bias_is_added_once(captured):
    capture = captured(Small())
    insert_all_reduces(capture, {"down.weight"}, set())
    (total,) = nodes(capture, ours.all_reduce.default)
    (linear,) = total.args
    assert len(linear.args) == 2
    (added,) = total.users
    assert added.target is aten.add.Tensor and capture.parameters[added.args[1].name] == "down.bias"
    assert added not in added.args and len(added.users) == 1


def test_an_embedding_whose_rows_are_cut(captured):
    capture = captured(Small())
    assert insert_all_reduces(capture, set(), {"table.weight", "head.weight", "up.weight"}) == 1
    (total,) = nodes(capture, ours.all_reduce.default)
    assert total.args[0].target is aten.embedding.default


def test_a_tied_table_is_summed_as_an_embedding_only(captured):
    capture = captured(Tied())
    assert insert_all_reduces(capture, set(), {"table.weight", "head.weight"}) == 1
    (total,) = nodes(capture, ours.all_reduce.default)
    assert total.args[0].target is aten.embedding.default


def test_the_graph_still_runs(captured):
    capture = captured(Small())
    insert_all_reduces(capture, {"down.weight"}, {"table.weight"})
    capture.graph_module.graph.lint()
    torch.manual_seed(0)
    module = Small()
    weights = dict(module.named_parameters())
    given = [*(weights[name] for name in capture.parameters.values()), *INPUTS.values()]
    (result,) = capture.graph_module(*given)
    torch.testing.assert_close(result, module(**INPUTS))


def test_after_experts_whose_inputs_are_cut(captured):
    inputs = {"x": torch.zeros(3, 32), "chosen": torch.zeros(3, 2, dtype=torch.int64), "weight": torch.zeros(3, 2)}
    capture = graph_of(Experts(), **inputs).capture
    assert insert_all_reduces(capture, {"down"}, set()) == 1
    (total,) = nodes(capture, ours.all_reduce.default)
    assert total.args == tuple(nodes(capture, ours.experts.default))
