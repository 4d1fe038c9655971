"""Relax operators without a kernel of ours become loops; a reshape stays, for it moves nothing."""

import pytest
import tvm
from tvm import relax

from tyllm_base.errors import UnsupportedError
from tytvm.lower import lower


def module_of(build):
    builder = relax.BlockBuilder()
    x = relax.Var("x", relax.TensorType((4, 6), "float32"))
    with builder.function("main", [x]):
        with builder.dataflow():
            result = builder.emit_output(build(builder, x))
        builder.emit_func_output(result)
    return builder.get()


def called(module):
    return [binding.value.op.name for block in module["main"].body.blocks for binding in block.bindings]


def test_elementwise_operators_are_fused_to_one_kernel():
    module = lower(module_of(lambda builder, x: builder.emit(relax.op.tanh(builder.emit(relax.op.exp(x))))))
    assert called(module) == ["relax.call_tir"]
    assert len(module.functions) == 2


def test_a_reshape_stays():
    module = lower(module_of(lambda builder, x: builder.emit(relax.op.reshape(builder.emit(relax.op.exp(x)), (24,)))))
    assert sorted(called(module)) == ["relax.call_tir", "relax.reshape"]


def test_what_is_not_used_goes():
    def build(builder, x):
        builder.emit(relax.op.sin(x))
        return builder.emit(relax.op.exp(x))

    assert called(lower(module_of(build))) == ["relax.call_tir"]


def test_a_refusal_is_one_sentence(monkeypatch):
    def refuse(passes):
        raise RuntimeError("Traceback of many lines\nTVMError: no lowering for relax.mystery")

    monkeypatch.setattr(tvm.ir.transform, "Sequential", refuse)
    with pytest.raises(UnsupportedError, match=r"no lowering for relax\.mystery") as caught:
        lower(module_of(lambda builder, x: builder.emit(relax.op.exp(x))))
    assert "\n" not in str(caught.value)
