"""Numbers that no model has are refused before anything is made for each of them."""

import json
from pathlib import Path

import pytest

from hf_checkpoint.config_limits import check_config
from tyllm_base.errors import CheckpointError

PATH = Path("config.json")


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({"num_hidden_layers": 10**9}, "num_hidden_layers = 1000000000, which must be a whole number from 1 to 1,000;"),
        ({"vision_config": {"depth": 0}}, "vision_config.depth = 0"),
        ({"hidden_size": 10**12}, "hidden_size = 1000000000000"),
        ({"hidden_size": -4}, "hidden_size = -4"),
        ({"hidden_size": "64"}, "hidden_size = '64'"),
        ({"vocab_size": 64.0}, "vocab_size = 64.0"),
        ({"num_key_value_heads": True}, "num_key_value_heads = True"),
        ({"text_config": {"intermediate_size": [64, "x"]}}, "text_config.intermediate_size"),
        ({"num_experts": 5000}, "num_experts = 5000"),
        ({"max_position_embeddings": 2**40}, "max_position_embeddings"),
        ({"architectures": "Qwen2ForCausalLM"}, "architectures = 'Qwen2ForCausalLM', which must be a list of names"),
        ({"architectures": ["\x1b[31m"]}, "which must be a list of names"),
        ({"quantization_config": [1]}, r"quantization_config = \[1\], which must be an object"),
        ({"rope_scaling": "x"}, "rope_scaling = 'x', which must be an object"),
    ],
)
def test_refused(config, words):
    with pytest.raises(CheckpointError, match=words):
        check_config(PATH, config, 30)


def test_as_many_layers_as_tensors_may_be():
    check_config(PATH, {"num_hidden_layers": 2000}, 2000)
    check_config(PATH, {"head_dim": None, "sliding_window": 0, "num_experts": 0, "intermediate_size": [64, 128]}, 1)


def test_no_published_config_is_refused(repo):
    files = sorted((repo / "models" / "configs").glob("*.json"))
    assert len(files) > 20
    for file in files:
        check_config(file, json.loads(file.read_text()), 100)
