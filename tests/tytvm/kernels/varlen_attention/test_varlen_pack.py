"""Packed queries, keys and values hold each token at its position, against NumPy."""

import numpy as np
import pytest
from tests.tytvm.kernels.harness import RUNNABLE, Kernel, outputs
from tests.tytvm.kernels.varlen_attention.test_varlen_attention import empty, sample

from tytvm.kernels.operands.packed_sequences import PackedSequences
from tytvm.kernels.operands.qkv_source import QkvSource
from tytvm.kernels.varlen_attention import varlen_pack
from tytvm.target import resolve


@pytest.mark.parametrize("name", RUNNABLE[-1:])
def test_packed_inputs(name):
    spec = resolve(name)
    shape = PackedSequences((40, 3), 2, 1, 24, 8, 0.5, False)
    q, k, v, *_ = sample(shape)
    kernel = Kernel(varlen_pack.build(spec, shape, QkvSource(43)), spec)
    got = outputs(kernel, [q, k, v, shape.token_rows()], *empty(shape.packed()))
    expected = varlen_pack.reference(shape, q, k, v)
    np.testing.assert_allclose(got[0], expected[0].transpose(1, 0, 2), rtol=1e-6)
    keys = got[1].transpose(0, 1, 3, 2).reshape(1, shape.positions, 24)
    np.testing.assert_array_equal(keys, expected[1].transpose(1, 0, 2))
    np.testing.assert_array_equal(got[2][..., :8], expected[2].transpose(1, 0, 2))
    assert not got[2][..., 8:].any()


def test_rotation_costs_more_than_a_copy():
    shape = PackedSequences((40, 3), 2, 2, 16, 16, 0.5, False)
    plain, rotated = (varlen_pack.cost(shape, QkvSource(43, fused=True, rotated=each)) for each in (False, True))
    assert rotated.operations["float32"] == 4 * plain.operations["float32"]
    assert rotated.bytes_read - plain.bytes_read == 2 * 43 * 16 * 4
