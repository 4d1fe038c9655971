"""The head's rows, a few at a time, are the whole weight, however it is stored."""

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file, save_file

from awq import AutoAWQForCausalLM
from awq.stream.dequantize import read_float
from awq.stream.head_rows import HeadRows
from hf_checkpoint.checkpoint import Checkpoint
from tyllm_base.errors import CheckpointError

NAME, SHAPE = "lm_head.weight", (96, 128)


@pytest.fixture(scope="module")
def rounded(checkpoint, tmp_path_factory):
    output = tmp_path_factory.mktemp("head_rows") / "int4"
    model = AutoAWQForCausalLM.from_pretrained(checkpoint("llama"))
    model.quantize(quant_config={"q_group_size": 32, "lm_head_enable": True}, method="rtn")
    model.save_quantized(output)
    return output


def joined(folder):
    """The rows of all blocks, and how many blocks there were."""
    blocks = list(HeadRows(Checkpoint.open(folder), NAME, SHAPE).blocks())
    assert [rows.start for rows, _ in blocks] == [0, *(rows.stop for rows, _ in blocks[:-1])]
    return torch.cat([weight for _, weight in blocks]), len(blocks)


@pytest.mark.parametrize("packed", [False, True])
def test_the_blocks_are_the_weight(checkpoint, rounded, packed, monkeypatch):
    folder = rounded if packed else checkpoint("llama")
    monkeypatch.setattr("awq.stream.head_rows.VALUES", 128 * 44)
    weight, count = joined(folder)
    assert torch.equal(weight, read_float(Checkpoint.open(folder), NAME, torch.float32))
    assert count == 3


def test_nan_is_refused(checkpoint, tmp_path):
    tensors = load_file(checkpoint("llama") / "model.safetensors")
    tensors[NAME] = np.where(np.arange(128) == 5, np.float16(np.nan), tensors[NAME])
    save_file(tensors, tmp_path / "model.safetensors")
    (tmp_path / "config.json").symlink_to(checkpoint("llama") / "config.json")
    with pytest.raises(CheckpointError, match=r"lm_head\.weight holds NaN"):
        joined(tmp_path)
