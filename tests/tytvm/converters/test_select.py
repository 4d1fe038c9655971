"""One index of an axis is a slice."""

import torch
from tests.tytvm.imported_graph import imported
from tests.tytvm.small_graph import Calculation, graph_of


def test_one_index_is_a_slice():
    for index in (1, -1):
        graph = graph_of(Calculation(lambda x, index=index: (torch.tanh(x)[:, index],)), x=torch.zeros(2, 3, 4))
        text = str(imported(graph)["main"])
        assert "strided_slice" in text and "take" not in text
