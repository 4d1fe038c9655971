"""Rows of experts that lie in one tensor: in turns, transposed, in MXFP4."""

import numpy as np
import pytest
from safetensors.numpy import save_file

from hf_checkpoint import mxfp4
from hf_checkpoint.checkpoint import Checkpoint
from hf_checkpoint.expert_rows import read_expert_rows
from hf_checkpoint.expert_stack import ExpertForm, ExpertStack, Storage
from hf_checkpoint.safetensors_file import read_header

EXPERTS, N, K = 3, 8, 64
ROWS = [(0, EXPERTS * N), (2, 3), (3, 13), (7, 17)]


def opened(folder, **tensors):
    save_file({name: np.ascontiguousarray(value) for name, value in tensors.items()}, folder / "a.safetensors")
    return Checkpoint(folder, {}, read_header(folder / "a.safetensors"))


def in_turns(stack):
    """The outputs of gate and up, [experts, N, …], in turns."""
    return stack.reshape(EXPERTS, 2, N // 2, *stack.shape[2:]).swapaxes(1, 2).reshape(stack.shape)


@pytest.mark.parametrize("is_transposed", [False, True])
@pytest.mark.parametrize("is_interleaved", [False, True])
def test_floats(tmp_path, is_transposed, is_interleaved):
    values = np.random.default_rng(0).normal(size=(EXPERTS, N, K)).astype(np.float16)
    stored = in_turns(values) if is_interleaved else values
    checkpoint = opened(tmp_path, stack=stored.swapaxes(1, 2) if is_transposed else stored)
    stack = ExpertStack(values.shape, ("stack",), (0,), Storage.WHOLE, ExpertForm(is_transposed, is_interleaved))
    assert tuple(checkpoint.info("stack").shape) == stack.shapes()["stack"]
    for rows in ROWS:
        found = read_expert_rows(checkpoint, stack, *rows)
        assert found.dtype == np.float32
        np.testing.assert_array_equal(found, values.reshape(-1, K)[slice(*rows)])


def test_biases(tmp_path):
    values = np.arange(EXPERTS * N, dtype=np.float32).reshape(EXPERTS, N)
    stack = ExpertStack(values.shape, ("bias",), (0,), Storage.WHOLE, ExpertForm(is_interleaved=True))
    checkpoint = opened(tmp_path, bias=in_turns(values))
    for rows in ROWS:
        np.testing.assert_array_equal(read_expert_rows(checkpoint, stack, *rows), values.ravel()[slice(*rows)])


def test_mxfp4(tmp_path):
    rng = np.random.default_rng(0)
    blocks = rng.integers(0, 256, (EXPERTS, N, K // 32, 16)).astype(np.uint8)
    scales = rng.integers(118, 130, (EXPERTS, N, K // 32)).astype(np.uint8)
    checkpoint = opened(tmp_path, w_blocks=in_turns(blocks), w_scales=in_turns(scales))
    stack = ExpertStack((EXPERTS, N, K), ("w_blocks", "w_scales"), (0, 0), Storage.MXFP4, ExpertForm(False, True))
    for rows in ROWS:
        expected = mxfp4.decode(blocks, scales).reshape(-1, K)[slice(*rows)]
        np.testing.assert_array_equal(read_expert_rows(checkpoint, stack, *rows), expected)
