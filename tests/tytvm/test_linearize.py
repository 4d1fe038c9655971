"""The lowered module as a linear list of calls: reshapes are other names, kernels of several nests are cut."""

import numpy as np
import torch
from tests.tytvm.small_graph import Calculation, Small, graph_of
from tvm import relax

from tytvm import rewrites
from tytvm.collectives import ALL_REDUCE, insert_all_reduces
from tytvm.importer import import_graph
from tytvm.kernel_choice import Kernels
from tytvm.linearize import KernelCall, linearize
from tytvm.lower import lower
from tytvm.target import resolve
from tytvm.weights import TensorSpec

LOGITS = "io:logits"
KERNELS = Kernels(resolve("native"), int8_activations=True)
INPUTS = {"tokens": torch.zeros(1, 4, dtype=torch.int64), "row": torch.zeros(1, dtype=torch.int64)}


def linearized(graph, input_sharded=()):
    insert_all_reduces(graph.capture, input_sharded, ())
    rewrites.apply(graph.capture.graph_module)
    return linearize(lower(import_graph(graph, KERNELS)), ["logits"])


def of_function(function, **inputs):
    return linearized(graph_of(Calculation(function), **inputs))


def test_reads_and_writes_by_name():
    call = KernelCall("k", ("a", "b", "a"), (1,))
    assert call.read == {"a"} and call.written == {"b"}


def test_every_argument_is_a_buffer_and_every_call_has_its_kernel():
    found = linearized(graph_of(Small(), **INPUTS))
    assert {name for call in found.calls for name in call.arguments} <= set(found.buffers)
    assert {call.kernel for call in found.calls} == set(found.kernels)
    for call in found.calls:
        assert len(call.arguments) == len(found.kernels[call.kernel].params)


def test_the_result_is_written_where_the_runtime_reads_it():
    found = linearized(graph_of(Small(), **INPUTS))
    assert [LOGITS in call.written for call in found.calls] == [*[False] * (len(found.calls) - 1), True]
    assert found.buffers[LOGITS].dtype == "float32"


def test_a_buffer_is_written_before_it_is_read():
    found, written = linearized(graph_of(Small(), **INPUTS)), set()
    for call in found.calls:
        assert all(":" in name or name in written for name in call.read)
        written |= call.written


def test_a_reshape_is_another_name():
    found = of_function(lambda x: (torch.tanh(torch.exp(x).reshape(24)),), x=torch.zeros(4, 6))
    (first, *_), last = found.calls, found.calls[-1]
    assert "io:x" in first.read and LOGITS in last.written
    assert all("reshape" not in call.kernel for call in found.calls)


def test_a_softmax_is_three_calls():
    found = of_function(lambda x: (torch.softmax(x, -1),), x=torch.zeros(4, 6))
    assert [call.kernel[-2:] for call in found.calls] == ["_0", "_1", "_2"]


def test_a_cache_is_written_in_place():
    def attend(q, k, v):
        return (torch.ops.tytvm.attention(q, k, v, 0, 0.5, 0, 0.0),)

    q, kv = torch.zeros(1, 4, 3, 16), torch.zeros(1, 2, 3, 16)
    found = of_function(attend, q=q, k=kv, v=kv)
    appended = [call.written for call in found.calls if call.kernel.startswith("cache_append")]
    assert appended == [{"kv:0.k", "kv:0.v"}]
    attention, merge = [call for call in found.calls if call.kernel.startswith("attention")]
    assert {"kv:0.k", "kv:0.v"} <= attention.read and attention.written - {found.calls[1].arguments[4]} == merge.read


def test_a_collective_works_in_place():
    found = linearized(graph_of(Small(), **INPUTS), input_sharded={"up.weight"})
    (index,) = [i for i, call in enumerate(found.calls) if call.kernel == ALL_REDUCE]
    (name,) = found.calls[index].arguments
    assert name in set().union(*(call.written for call in found.calls[:index]))
    assert name in set().union(*(call.read for call in found.calls[index + 1 :]))


def test_a_constant_has_a_buffer_and_its_value():
    table = torch.arange(6.0)
    builder = relax.BlockBuilder()
    x = relax.Var("io:x", relax.TensorType((6,), "float32"))
    with builder.function("main", [x]):
        with builder.dataflow():
            result = builder.emit_output(relax.Tuple([builder.emit(relax.op.add(x, relax.const(table.numpy())))]))
        builder.emit_func_output(result)
    found = linearize(lower(builder.get()), ["logits"])
    ((name, value),) = found.constants.items()
    np.testing.assert_array_equal(value, table.numpy())
    assert found.buffers[name] == TensorSpec((6,), "float32") and name in found.calls[0].read


def test_equal_constants_share_a_buffer():
    builder = relax.BlockBuilder()
    x = relax.Var("io:x", relax.TensorType((6, 6), "float32"))
    with builder.function("main", [x]):
        with builder.dataflow():
            value = x
            for axis in (0, 1):
                rows = relax.const(np.arange(6)[::-1].copy())
                value = builder.emit(relax.op.take(value, rows, axis))
            result = builder.emit_output(relax.Tuple([value]))
        builder.emit_func_output(result)
    assert len(linearize(lower(builder.get()), ["out"]).constants) == 1


def test_an_input_that_is_returned_is_copied():
    found = of_function(lambda x: (x.reshape(24),), x=torch.zeros(4, 6))
    (call,) = found.calls
    assert call.read == {"io:x"} and call.written == {LOGITS}


def test_each_result_has_a_buffer_of_its_own():
    def twice(x):
        root = torch.exp(x)
        return root, root.reshape(24), torch.tanh(root)

    graph = graph_of(Calculation(twice), x=torch.zeros(4, 6))
    found = linearize(lower(import_graph(graph, KERNELS)), ["first", "second", "third"])
    written = [name for call in found.calls for name in call.written]
    assert sorted(written) == ["io:first", "io:second", "io:third"]
    assert [found.buffers[f"io:{name}"].shape for name in ("first", "second", "third")] == [(4, 6), (24,), (4, 6)]
