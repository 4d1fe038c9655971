"""Tables are read by their rows, counted from the first that the die holds."""

import pytest
import torch
from tests.tytvm.imported_graph import INPUTS, calls, imported
from tests.tytvm.small_graph import Calculation, graph_of

from tyllm_base.errors import UnsupportedError


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
    assert "io:first_token" in {variable.name for variable in module["main"].params}


def test_a_computed_table_is_refused():
    def function(x, w):
        return (torch.nn.functional.embedding(x.long(), w),)

    graph = graph_of(Calculation(function), x=torch.zeros(2, 8), w=torch.zeros(5, 8))
    with pytest.raises(UnsupportedError, match="An embedding reads w, no weight of the checkpoint"):
        imported(graph)
