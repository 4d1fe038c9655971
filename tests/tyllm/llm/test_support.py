"""A config says whether its model can be compiled."""

import shutil

import pytest
from tests.families.changes import CHANGES
from tests.families.tiny_config import tiny_config

from tyllm.llm.support import check_support
from tyllm_base.errors import CheckpointError, UnsupportedError


def test_a_config_without_weights(tiny, tmp_path):
    shutil.copy(tiny / "config.json", tmp_path)
    assert check_support(tmp_path, trust_remote_code=False) == "Qwen2ForCausalLM"


def test_a_model_that_compile_refuses(tmp_path):
    tiny_config("lfm2", CHANGES["lfm2"]).save_pretrained(tmp_path)
    with pytest.raises(UnsupportedError, match="Lfm2ForCausalLM mixes tokens outside of attention"):
        check_support(tmp_path, trust_remote_code=False)


def test_no_config(tmp_path):
    with pytest.raises(CheckpointError, match=r"config\.json is missing"):
        check_support(tmp_path, trust_remote_code=False)
