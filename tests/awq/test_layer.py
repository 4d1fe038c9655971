"""One layer's task: what is quantised, that scaling keeps the layer's function, and what is stored."""

import pytest
import torch
from tests.awq.tiny_models import token_lists

from awq.checkpoint import Checkpoint
from awq.layer import LayerTask
from awq.observation import Arguments
from awq.packing import PackedLinear, dequantize
from awq.recipe import Recipe
from awq.scale_groups import find_plan
from awq.settings import QuantConfig
from awq.skeleton import Skeleton
from awq.walk import walk


@pytest.fixture
def visited(checkpoint):
    """The first layer of a model with its weights, a task for it, and the arguments of its call."""
    samples = torch.tensor(token_lists(4))
    skeleton = Skeleton.build(Checkpoint.open(checkpoint("llama")), torch.device("cpu"))
    caught = []

    def visit(index, layer, arguments):
        caught.append(arguments)
        return arguments.call(layer)

    with torch.no_grad():
        walk(skeleton, samples, visit)
        layer = skeleton.layers[0]
        skeleton.fill(layer, skeleton.prefixes[0])
        recipe = Recipe(QuantConfig(q_group_size=32, modules_to_not_convert=("k_proj",)), "awq", samples)
        yield skeleton, LayerTask(layer, skeleton.prefixes[0], recipe), caught[0]


def test_scaling_keeps_the_function_and_the_statistics_true(visited):
    skeleton, task, arguments = visited
    before = arguments.call(task.layer)
    plan = find_plan(task.layer, lambda: Arguments(arguments.hidden, arguments.args, arguments.kwargs).call(task.layer))
    skeleton.fill(task.layer, skeleton.prefixes[0])
    output, statistics = task.calibrate(plan, arguments)
    torch.testing.assert_close(output, before)
    torch.testing.assert_close(arguments.call(task.layer), before, rtol=1e-3, atol=1e-3)
    seen = {}
    handle = task.layer.mlp.down_proj.register_forward_pre_hook(lambda m, x: seen.update(x=x[0]))
    arguments.call(task.layer)
    handle.remove()
    expected = seen["x"].abs().sum((0, 1))
    torch.testing.assert_close(statistics["mlp.down_proj"].magnitude, expected, rtol=1e-3, atol=1e-3)


def test_without_calibration_weights_are_rounded_to_nearest(visited):
    _, task, _ = visited
    stored = task.packed()
    assert "model.layers.0.self_attn.k_proj.weight" in stored  # left float by the user's wish
    packed = PackedLinear(*(stored[f"model.layers.0.mlp.up_proj.{field}"] for field in PackedLinear._fields))
    error = torch.from_numpy(dequantize(packed)) - task.layer.mlp.up_proj.weight
    assert (error.unflatten(1, (-1, 32)).abs().amax(-1) <= torch.from_numpy(packed.scales.T).float() * 1.01).all()
    assert {tensor.dtype.name for name, tensor in stored.items() if "norm" in name} == {"float16"}
