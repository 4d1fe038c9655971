"""The names stand for the classes that TVM's builder makes."""

from tvm.script import tirx as T
from tvm.script.ir_builder import IRBuilder
from tvm.tirx.script.builder import ir as script

from tytvm.kernels.primitives.expressions import Buffer, PrimFunc, Scalar, Vector


def test_a_kernel_is_made_of_them():
    with IRBuilder() as builder, script.prim_func(is_private=True):
        buffer = script.arg("x", T.Buffer((32,), "float32"))
        with T.parallel(2) as i:
            vector = buffer[T.ramp(i * 16, 1, 16)]
            T.buffer_store(buffer, vector + vector, [T.ramp(i * 16, 1, 16)])
    assert isinstance(buffer, Buffer) and isinstance(i, Scalar) and isinstance(vector, Vector)
    assert isinstance(builder.get(), PrimFunc)
