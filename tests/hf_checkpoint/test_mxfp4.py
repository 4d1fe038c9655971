"""MXFP4 is decoded as transformers does, and as the specification says."""

import numpy as np
import torch

from hf_checkpoint import mxfp4


def test_every_code_with_every_scale():
    from transformers.integrations.mxfp4 import convert_moe_packed_tensors

    codes = np.arange(256, dtype=np.uint8).reshape(16, 16)  # each pair of codes
    blocks = np.broadcast_to(codes[None, :, None], (1, 16, 254, 16)).copy()
    scales = np.broadcast_to(np.arange(1, 255, dtype=np.uint8), (1, 16, 254)).copy()
    theirs = convert_moe_packed_tensors(torch.from_numpy(blocks), torch.from_numpy(scales), dtype=torch.float32)
    found = mxfp4.decode(blocks, scales)
    assert found.shape == (1, 16, 254 * mxfp4.BLOCK)
    np.testing.assert_array_equal(found, theirs.transpose(1, 2).numpy())
    assert set(np.abs(found[0, :, 126 * 32 : 127 * 32]).ravel()) == {0, 0.5, 1, 1.5, 2, 3, 4, 6}


def test_a_scale_of_255_is_no_number():
    assert np.isnan(mxfp4.decode(np.zeros((1, 16), np.uint8), np.full(1, 255, np.uint8))).all()


def test_shapes():
    assert mxfp4.shapes(4, 96, 64) == ((4, 96, 2, 16), (4, 96, 2))
