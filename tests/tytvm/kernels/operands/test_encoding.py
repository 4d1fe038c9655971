"""What stands for activations in each encoding, and that kernels write it so."""

import numpy as np
import pytest
from tests.tytvm.kernels.harness import Kernel, outputs

from tytvm.kernels.operands.encoding import FLOAT32, Bfloat16, Int8, bytes_of
from tytvm.kernels.rowwise import bfloat16_tiles, quantize_rows, select_rows
from tytvm.target import native


@pytest.mark.parametrize(
    ("encoding", "tensors"),
    [
        (FLOAT32, [((20, 128), "float32")]),
        (Int8(32), [((20, 128), "int8"), ((20, 4), "float32"), ((20, 4), "int32")]),
        (Int8(64, tiled=True), [((2, 2, 16, 64), "int8"), ((20, 2), "float32")]),
        (Bfloat16(), [((2, 4, 16, 32), "uint16")]),
    ],
)
def test_tensors_and_their_bytes(encoding, tensors):
    assert list(encoding.tensors(20, 128)) == tensors
    assert bytes_of(encoding, 20, 128) == sum(np.zeros(shape, dtype).nbytes for shape, dtype in tensors)


@pytest.mark.parametrize(("encoding", "unit"), [(FLOAT32, 32), (Int8(64), 64), (Bfloat16(), 32)])
def test_units(encoding, unit):
    assert encoding.unit(128) == unit


@pytest.mark.parametrize(("K", "unit"), [(48, 16), (40, 8), (7, 1)])
def test_float32_is_written_by_what_divides_a_row(K, unit):
    assert FLOAT32.unit(K) == unit


@pytest.mark.parametrize("encoding", [Int8(32), Bfloat16()])
def test_a_kernel_writes_what_the_encoder_would(encoding):
    if isinstance(encoding, Bfloat16) and not native().has_tiles:
        pytest.skip("this machine has no AMX")
    x = np.random.default_rng(0).normal(size=(16, 64)).astype(np.float32)
    kernel = Kernel(select_rows.build(native(), 16, 64, 16, encoding), native())
    empty = [np.empty(*tensor) for tensor in encoding.tensors(16, 64)]
    found = outputs(kernel, [x, np.arange(16)], *empty)
    is_int8 = isinstance(encoding, Int8)
    expected = quantize_rows.reference(x, 32) if is_int8 else [bfloat16_tiles.reference(x)]
    for got, want in zip(found, expected, strict=True):
        np.testing.assert_allclose(got.astype(np.float64), want.astype(np.float64), atol=1 if is_int8 else 0)
