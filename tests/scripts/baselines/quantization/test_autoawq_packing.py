"""The comparison with AutoAWQ's bytes passes on AutoAWQ's and fails on others."""

from pathlib import Path

import pytest
from baselines.quantization.autoawq_packing import check_linear
from safetensors.numpy import load_file, save_file

MADE_BY_AUTOAWQ = Path(__file__).resolve().parents[3] / "hf_checkpoint" / "autoawq_linear.safetensors"


def test_autoawqs_own_layer():
    check_linear(MADE_BY_AUTOAWQ)


def test_a_flipped_bit_is_found(tmp_path):
    tensors = load_file(MADE_BY_AUTOAWQ)
    tensors["qweight"] = tensors["qweight"] ^ 16
    save_file(tensors, tmp_path / "other.safetensors")
    with pytest.raises(AssertionError, match="qweight"):
        check_linear(tmp_path / "other.safetensors")
