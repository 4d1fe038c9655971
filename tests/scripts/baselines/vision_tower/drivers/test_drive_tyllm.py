"""The driver runs the tower of a package on patches."""

import argparse

import numpy as np
import pytest
from baselines.vision_tower.drivers.drive_tyllm import opened
from random_weights import write_random_checkpoint
from small_config import small_config

from tyllm.build_util import build_and_compile_vlm


@pytest.mark.slow
def test_patches_become_embeddings(tmp_path):
    config = small_config("Qwen2-VL-2B-Instruct")
    write_random_checkpoint(config, tmp_path / "checkpoint")
    package = build_and_compile_vlm(tmp_path / "checkpoint", tmp_path / "package", [(56, 84)], 64, (1,), 1)
    tower = opened(argparse.Namespace(model=package, threads=1))
    embeddings = tower(np.zeros((4 * 6, 1176), np.float32))
    assert embeddings.shape == (6, config["hidden_size"])
    assert np.isfinite(embeddings).all()
