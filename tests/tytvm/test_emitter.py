"""What converters write: buffers named by place, activations encoded once for all that read them."""

import pytest
import torch
from tests.tytvm.imported_graph import KERNELS
from tests.tytvm.small_graph import Small, graph_of, weight_formats
from tvm import relax

from tytvm.emitter import Emitter
from tytvm.kernels.operands.encoding import FLOAT32, Int8
from tytvm.weights import W4, TensorSpec

INPUTS = {"tokens": torch.zeros(1, 4, dtype=torch.int64), "row": torch.zeros(1, dtype=torch.int64)}


@pytest.fixture
def emitter():
    weights = weight_formats(Small()) | {"up.weight": W4(40, 32, 32)}
    builder = relax.BlockBuilder()
    emitter = Emitter(graph_of(Small(), weights, **INPUTS), KERNELS, builder, {})
    variable = emitter.buffer("io:x", TensorSpec((4, 32), "float32"))
    with builder.function("main", [variable]):
        with builder.dataflow():
            yield emitter
            result = builder.emit_output(variable)
        builder.emit_func_output(result)


def test_a_weight_is_declared_as_the_tensors_that_it_is_stored_as(emitter):
    nodes = {emitter.graph.capture.parameters.get(node.name): node for node in placeholders(emitter)}
    emitter.declare(nodes["up.weight"])
    assert [variable.name for variable in emitter.stored_tensors(nodes["up.weight"])] == [
        f"params:up.weight.{part}" for part in ("weight", "scale", "zero")
    ]
    assert emitter.format_of(nodes["up.weight"]) == W4(40, 32, 32)


def test_an_input_is_declared_in_io(emitter):
    for node in placeholders(emitter):
        if node.name == "tokens":
            emitter.declare(node)
    assert tuple(int(n) for n in emitter.buffers["io:tokens"].ty.shape) == (1, 4)


def test_activations_are_encoded_once(emitter):
    x = emitter.buffers["io:x"]
    first, reshaped = emitter.encode(x, Int8(32)), emitter.reshape(emitter.reshape(x, (1, 4, 32)), (4, 32))
    assert emitter.encode(reshaped, Int8(32)) is first and len(first) == 3
    assert emitter.encode(x, Int8(16)) is not first
    assert emitter.encode(x, FLOAT32) == [x]


def test_another_encoding_than_they_lie_in_is_the_compilers_mistake(emitter):
    emitter.encode(emitter.buffers["io:x"], Int8(32))
    (encoded,) = emitter._encoded.values()
    assert emitter.reshape(encoded, (128,)) is encoded
    with pytest.raises(ValueError, match="requested is"):
        emitter.encode(encoded, Int8(16))


def placeholders(emitter):
    return [node for node in emitter.graph.capture.graph_module.graph.nodes if node.op == "placeholder"]
