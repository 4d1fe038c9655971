"""Where queries, keys and values are read before they are packed."""

import pytest

from tytvm.kernels.operands.packed_sequences import PackedSequences
from tytvm.kernels.operands.qkv_source import QkvSource

SHAPE = PackedSequences((6, 6), H=4, KH=2, D=16, Dv=8, scale=1.0, tiled=False)
FUSED = PackedSequences((6, 6), H=4, KH=4, D=16, Dv=16, scale=1.0, tiled=False)


def test_one_tensor_of_all_three():
    assert QkvSource(12, fused=True).tensors(FUSED) == {"qkv": ((12, 3, 4, 16), "float32")}
    rotated = QkvSource(12, fused=True, rotated=True).tensors(FUSED)
    assert list(rotated) == ["qkv", "cos", "sin"] and rotated["cos"] == ((12, 16), "float32")


def test_tensors_by_token_and_by_head():
    tensors = QkvSource(6, (True, False, True)).tensors(SHAPE)
    shapes = {name: shape for name, (shape, _) in tensors.items()}
    assert shapes == {"q": (12, 4, 16), "k": (2, 2, 6, 16), "v": (12, 2, 8)}


@pytest.mark.parametrize(
    ("source", "part", "place"),
    [
        (QkvSource(12, fused=True), 1, ("qkv", [7, 1, 3])),
        (QkvSource(6), 2, ("v", [7, 3])),
        (QkvSource(6, (True, False, True)), 1, ("k", [1, 3, 1])),
    ],
)
def test_where_a_token_of_a_head_lies(source, part, place):
    buffers = {name: name for name in ("qkv", "q", "k", "v")}
    assert source.address(buffers, part, 7, 3) == place
