"""A layer by Hessians: what is stored is what the layer is left with, and both streams come out right."""

from dataclasses import replace

import pytest
import torch

from awq.method.layer_structure import find_structure
from awq.recipe import PARTS
from awq.stream.activation_statistics import LayerArguments
from awq.tasks.hessian_layer import HessianLayer
from awq.work.activation_cache import ActivationCache
from hf_checkpoint.awq_gemm import PackedLinear, unpack_linear

pytestmark = pytest.mark.usefixtures("exact")


@pytest.fixture
def quantize(visited, tmp_path):
    """`quantize(*without)`: the layer's original output, the streams behind it, what is stored, and the layer."""
    model, task, arguments = visited

    def run(*without, batch=3):
        parts = frozenset(PARTS) - frozenset(without)
        changed = replace(task, recipe=replace(task.recipe, method="tyllm", parts=parts, batch=batch))
        structure = find_structure(task.layer, lambda: arguments.call(task.layer))
        model.fill(task.layer, model.prefixes[0])
        count = len(arguments.hidden)
        hidden = arguments.hidden.repeat(changed.recipe.streams, 1, 1)
        streams = LayerArguments(hidden, arguments.other, arguments.one)
        output, steps = arguments.call(task.layer), []
        layer = HessianLayer(changed, structure, ActivationCache(tmp_path, torch.device("cpu")), steps.append)
        stored = layer.quantized(streams, count)
        assert list(tmp_path.iterdir()) == []
        return output, (streams.hidden[:count], streams.hidden[count:]), stored, steps

    return run, task, arguments


def weight_of(stored, name):
    packed = PackedLinear(*(stored[f"model.layers.0.{name}.{field}"] for field in PackedLinear._fields))
    return torch.from_numpy(unpack_linear(packed).dequantize())


def test_the_layer_is_left_as_it_is_stored(quantize):
    run, task, _ = quantize
    stored = run()[2]
    packed = [
        name for name in task.schemes if torch.equal(task.layer.get_submodule(name).weight, weight_of(stored, name))
    ]
    assert packed == list(task.schemes) and len(packed) == 6
    for name, tensor in task.layer.state_dict().items():
        if name.removesuffix(".weight") not in task.schemes:  # norms, and k_proj, left out by the user's wish
            assert torch.equal(torch.from_numpy(stored[f"model.layers.0.{name}"]).float(), tensor)


def test_streams_go_on_behind_the_layer(quantize):
    run, task, arguments = quantize
    output, (original, present), _, _ = run()
    torch.testing.assert_close(original, output, rtol=1e-3, atol=1e-3)
    torch.testing.assert_close(present, arguments.call(task.layer), rtol=1e-3, atol=1e-3)
    assert 0.001 < (present - output).norm() / output.norm() < 0.2


def test_the_error_is_less_than_by_rounding_to_nearest(quantize):
    run, task, arguments = quantize
    output, (_, present), _, _ = run()
    error = (present - output).norm()
    run("scale", "range", "rounding", "propagation")
    assert error < 0.8 * (arguments.call(task.layer) - output).norm()


def test_without_any_part_it_is_rounding_to_nearest(quantize, visited):
    run, task, _ = quantize
    model, _, _ = visited
    output, (original, present), stored, _ = run("scale", "range", "rounding", "propagation")
    assert len(present) == 0
    torch.testing.assert_close(original, output, rtol=1e-3, atol=1e-3)
    model.fill(task.layer, model.prefixes[0])
    nearest = task.quantized_to_nearest()
    assert stored.keys() == nearest.keys()
    assert all((stored[name] == nearest[name]).all() for name in nearest)


@pytest.mark.parametrize("part", PARTS)
def test_each_part_can_be_left_out_and_changes_the_codes(quantize, part):
    run = quantize[0]
    with_it, without_it = run()[2], run(part)[2]
    assert any((with_it[name] != without_it[name]).any() for name in with_it if name.endswith("qweight"))
    if part == "scale":
        norm = "model.layers.0.input_layernorm.weight"
        assert (with_it[norm] != without_it[norm]).any()


def test_steps_are_told_of_in_order(quantize):
    steps = quantize[0]()[3]
    expected_steps = ["scales", "self_attn.q_proj", "self_attn.o_proj", "mlp.gate_proj", "mlp.down_proj"]
    assert [step for step in dict.fromkeys(steps) if step in expected_steps] == expected_steps
