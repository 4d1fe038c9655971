"""The `pack-quantized` packing against its formula; against the package itself in test_packed_rows."""

import numpy as np
import pytest

from hf_checkpoint.compressed_tensors import bits_of, pack, pack_rows, unpack


@pytest.mark.parametrize("bits", [4, 8])
@pytest.mark.parametrize("count", [1, 7, 8, 36])
def test_value_i_has_the_bits_from_i_times_bits(bits, count):
    values = np.random.default_rng(0).integers(0, 2**bits, (3, count)).astype(np.uint8)
    words = pack(values, bits)
    assert words.dtype == np.int32 and words.shape == (3, -(-count * bits // 32))
    for row, packed in zip(values, words.view(np.uint32), strict=True):
        whole = sum(int(word) << 32 * i for i, word in enumerate(packed))
        assert whole == sum(int(value) << bits * i for i, value in enumerate(row))
    assert np.array_equal(unpack(words, bits, count), values)


def test_words_need_not_be_contiguous():
    values = np.arange(64, dtype=np.uint8).reshape(2, 32) % 16
    words = np.asfortranarray(pack(values, 4))
    assert np.array_equal(unpack(words, 4, 32), values)


def test_zero_points_share_words_along_the_outputs():
    q, zeros = np.zeros((20, 64), np.uint8), np.arange(40, dtype=np.uint8).reshape(20, 2) % 16
    arrays = pack_rows(q, zeros, np.ones((20, 2), np.float16), 4)
    assert arrays["weight_packed"].shape == (20, 8) and arrays["weight_zero_point"].shape == (3, 2)
    assert arrays["weight_zero_point"][0, 1] & 15 == zeros[0, 1]
    assert arrays["weight_zero_point"][0, 1] >> 4 & 15 == zeros[1, 1]
    assert "weight_zero_point" not in pack_rows(q, None, np.ones((20, 2), np.float16), 4)


def test_bits_follow_from_the_shape():
    assert [bits_of(columns, 64) for columns in (8, 16, 6, 64)] == [4, 8, None, None]
