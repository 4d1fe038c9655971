"""AutoAWQ's algorithm on one layer: scaling keeps the layer's function."""

import torch

from awq.method.layer_structure import find_structure
from awq.tasks.autoawq_layer import AutoAwqLayer


def test_scaling_keeps_the_function_and_the_statistics_true(visited):
    model, task, arguments = visited
    before = arguments.call(task.layer)
    structure = find_structure(task.layer, lambda: arguments.call(task.layer))
    model.fill(task.layer, model.prefixes[0])
    output, statistics = AutoAwqLayer(task, structure).calibrate(arguments)
    torch.testing.assert_close(output, before)
    torch.testing.assert_close(arguments.call(task.layer), before, rtol=1e-3, atol=1e-3)
    seen = {}
    handle = task.layer.mlp.down_proj.register_forward_pre_hook(lambda m, x: seen.update(x=x[0]))
    arguments.call(task.layer)
    handle.remove()
    expected = seen["x"].abs().sum((0, 1))
    torch.testing.assert_close(statistics["mlp.down_proj"].magnitude, expected, rtol=1e-3, atol=1e-3)
