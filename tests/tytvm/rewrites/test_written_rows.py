"""A row is read through a row that was written before; other axes stay."""

import torch


def count(graph_module):
    return graph_module.meta["rewrites"]["written_rows"]


def test_the_written_row_and_another(rewritten):
    def mixed(x, row):
        made = torch.select_scatter(torch.select_scatter(x, row, 0, 1), row, 0, 2)
        return made[1] * 2, made[-1] + made[0]

    graph_module = rewritten(mixed, torch.randn(4, 4), torch.randn(4))
    assert count(graph_module) == 3
    assert not graph_module.graph.find_nodes(op="call_function", target=torch.ops.aten.select_scatter.default)


def test_another_axis_stays(rewritten):
    assert (
        count(rewritten(lambda x, row: torch.select_scatter(x, row, 0, 1)[:, 1], torch.randn(3, 4), torch.randn(4)))
        == 0
    )
