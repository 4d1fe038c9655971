"""An emitted call stands at the insertion point and knows its value's shape and type."""

import torch
from torch import fx

from tytvm.rewrites.emit import emit_call

aten = torch.ops.aten


def test_it_knows_its_value():
    graph = fx.Graph()
    x = graph.placeholder("x")
    x.meta["val"] = torch.empty(2, 3, device="meta")
    output = graph.output(x)
    with graph.inserting_before(output):
        pair = emit_call(graph, aten.cat.default, [x, x], 1)
    assert [node.op for node in graph.nodes] == ["placeholder", "call_function", "output"]
    assert pair.meta["val"].shape == (2, 6) and pair.meta["val"].is_meta
