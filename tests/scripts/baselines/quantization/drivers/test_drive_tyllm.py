"""The driver writes a quantized folder with the method that its settings name."""

import pytest
from baselines.quantization.drivers.drive_tyllm import quantize
from baselines.quantization.drivers.job import Job
from random_weights import write_random_checkpoint
from small_config import small_config

from hf_checkpoint.checkpoint import Checkpoint


@pytest.mark.parametrize("head", [False, True])
def test_a_folder_is_quantized_as_the_job_says(tmp_path, head):
    write_random_checkpoint(small_config("Qwen2-0.5B"), tmp_path / "checkpoint")
    samples = [[1, 2, 3, 4] * 4] * 2
    quantize(Job(str(tmp_path / "checkpoint"), samples, str(tmp_path / "out"), 128, head, "rtn"))
    tensors = Checkpoint.open(tmp_path / "out").tensors
    assert "model.layers.0.mlp.down_proj.qweight" in tensors
    assert ("lm_head.qweight" in tensors) == head
