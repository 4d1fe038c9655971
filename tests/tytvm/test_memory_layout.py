"""Offsets from shapes, each a multiple of 64."""

from tytvm.memory_layout import aligned, bytes_of, lay_out
from tytvm.weights import TensorSpec


def test_sizes():
    assert bytes_of(TensorSpec((3, 5), "float16")) == 30
    assert bytes_of(TensorSpec((), "int64")) == 8
    assert [aligned(size) for size in (0, 1, 64, 65)] == [0, 64, 64, 128]


def test_tensors_lie_one_after_the_other():
    specs = {"a": TensorSpec((3,), "float32"), "b": TensorSpec((100,), "uint8"), "c": TensorSpec((1,), "int64")}
    layout = lay_out(specs)
    assert dict(layout.offsets) == {"a": 0, "b": 64, "c": 192}
    assert layout.total == 256
    assert dict(layout.specs) == specs


def test_nothing():
    assert lay_out({}).total == 0
