"""The sum over dies is a call that the runtime answers."""

import torch
from tests.tytvm.imported_graph import calls, imported
from tests.tytvm.small_graph import Calculation, graph_of

from tytvm.collectives import ALL_REDUCE


def test_it_is_no_kernel():
    def function(x):
        return (torch.ops.tytvm.all_reduce(torch.tanh(x)),)

    module = imported(graph_of(Calculation(function), x=torch.zeros(4, 32)))
    assert calls(module) == ["relax.tanh", "relax.call_dps_packed"]
    assert ALL_REDUCE in str(module["main"])
