"""Tables are read by their rows, counted from the first that the die holds."""

import pytest
import torch
from tests.tytvm.imported_graph import INPUTS, calls, imported
from tests.tytvm.small_graph import Calculation, graph_of
from tvm import relax

from tyllm_base.errors import UnsupportedError
from tytvm.collectives import insert_all_reduces


class Tokens(torch.nn.Module):
    """A table, read by torch's own operator or by ours."""

    def __init__(self, is_custom):
        super().__init__()
        self.table = torch.nn.Embedding(24, 32)
        self.is_custom = is_custom

    def forward(self, tokens, first_token):
        if self.is_custom:
            return (torch.ops.tytvm.embedding(tokens, first_token, self.table.weight),)
        return (self.table(tokens),)


@pytest.mark.parametrize("is_custom", [False, True])
def test_rows_of_a_table(is_custom):
    module = imported(graph_of(Tokens(is_custom), tokens=INPUTS["tokens"], first_token=INPUTS["row"]))
    assert [name for name in calls(module) if "reshape" not in name] == ["embedding_4_24_32"]


def is_lookup(value):
    """Whether a bound value is a look-up in a table."""
    return (
        isinstance(value, relax.Call)
        and value.op.name == "relax.call_tir"
        and value.args[0].name_hint.startswith("embedding")
    )


class TokensAndPositions(torch.nn.Module):
    """Two tables, of which dies divide the first alone."""

    def __init__(self):
        super().__init__()
        self.tokens_table, self.positions_table = torch.nn.Embedding(24, 32), torch.nn.Embedding(16, 32)

    def forward(self, tokens, positions):
        return (self.tokens_table(tokens) + self.positions_table(positions),)


def test_only_a_divided_table_begins_at_the_first_token_of_the_die():
    graph = graph_of(TokensAndPositions(), tokens=INPUTS["tokens"], positions=INPUTS["tokens"])
    assert insert_all_reduces(graph.capture, [], ["tokens_table.weight"]) == 1
    block = imported(graph)["main"].body.blocks[0]
    found = [binding.value.args[1].fields[1] for binding in block.bindings if is_lookup(binding.value)]
    assert found[0].name == "io:first_token"
    assert (str(found[1].ty.dtype), found[1].value.numpy().tolist()) == ("int64", [0])


def test_a_computed_table_is_refused():
    def function(x, w):
        return (torch.nn.functional.embedding(x.long(), w),)

    graph = graph_of(Calculation(function), x=torch.zeros(2, 8), w=torch.zeros(5, 8))
    with pytest.raises(UnsupportedError, match="An embedding reads w, no weight of the checkpoint"):
        imported(graph)
