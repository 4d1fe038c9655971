"""No cache is longer than the model's positions, and what the refusal says to do works."""

import json
import re
from dataclasses import replace

import numpy as np
import pytest
import torch
from models.small_config import CONFIGS, VISION_CONFIGS, read_config
from tests.tiny_checkpoint import edit_json
from tests.tyllm.llm.test_compile_settings import GOOD
from transformers import AutoConfig, AutoModelForCausalLM

from tyllm.build_util import build_and_compile_llm
from tyllm.llm.package_job import prepare
from tyllm.llm.position_limit import check_positions, extension, position_limit
from tyllm.runtime import Session
from tyllm_base.errors import SettingError

YARN = {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 32768}
LIMITS = {
    "Qwen2-0.5B": 131072, "Qwen2.5-7B-Instruct": 32768, "Qwen3-8B": 40960, "Llama-3.1-8B": 131072,
    "Meta-Llama-3-8B": 8192, "Mistral-7B-v0.1": 32768, "gemma-2-2b": 8192, "gemma-3-1b-it": 32768,
    "Phi-3-mini-4k-instruct": 4096, "starcoder2-3b": 16384, "pythia-160m": 2048, "Qwen2.5-VL-7B-Instruct": 128000,
}  # fmt: skip
NOT_BY_YARN = (
    "Llama-3.1-8B", "Llama-3.2-1B", "Phi-3-mini-4k-instruct", "gemma-3-1b-it", "gpt-oss-20b", *VISION_CONFIGS
)  # fmt: skip


def config_of(model_type, **fields):
    return AutoConfig.for_model(model_type, **fields)


@pytest.mark.parametrize("name", LIMITS)
def test_published_models(name):
    assert position_limit(config_of(**read_config(name))) == LIMITS[name]


@pytest.mark.parametrize(
    ("model_type", "fields", "limit"),
    [
        ("qwen2", {"max_position_embeddings": 32768, "rope_scaling": YARN}, 131072),  # as Qwen2.5's cards say
        ("qwen2", {"max_position_embeddings": 131072, "rope_scaling": YARN}, 131072),
        ("qwen3", {"max_position_embeddings": 40960, "rope_parameters": YARN | {"rope_theta": 1e6}}, 131072),
        ("llama", {"max_position_embeddings": 16384, "rope_scaling": {"type": "linear", "factor": 4.0}}, 16384),
        ("gpt2", {}, 1024),
        ("gpt2", {"n_positions": 512}, 512),
        ("opt", {"max_position_embeddings": 2048}, 2048),  # its table has two rows more, which are for padding
        ("falcon", {"max_position_embeddings": 2048}, 2048),
        ("falcon", {"max_position_embeddings": 2048, "alibi": True}, None),
        ("bloom", {}, None),
        ("mpt", {}, None),
        ("xlnet", {}, None),  # it says -1
    ],
)
def test_kinds_of_positions(model_type, fields, limit):
    assert position_limit(config_of(model_type, **fields)) == limit


def refusal(model_type, size=4096, **fields):
    config = config_of(model_type, **fields)
    with pytest.raises(SettingError) as caught:
        check_positions(replace(GOOD, max_kv_cache_size=size), fields, config)
    return str(caught.value)


def test_the_sentence_says_what_to_give():
    given = (
        "max_kv_cache_size is 4,096, and the model has 1,024 positions (n_positions of model/config.json); give 1024"
    )
    assert refusal("gpt2") == f"{given} or less (--max-kv-cache-size)."
    check_positions(replace(GOOD, max_kv_cache_size=1024), {}, config_of("gpt2"))
    check_positions(replace(GOOD, max_kv_cache_size=1 << 20), {}, config_of("bloom"))
    assert refusal("llama", max_position_embeddings=2048).endswith(
        '(--max-kv-cache-size), or extend them with YaRN: in config.json, "max_position_embeddings": 4096, '
        '"rope_scaling": {"rope_type": "yarn", "factor": 2.0, "original_max_position_embeddings": 2048}.'
    )
    linear = {"max_position_embeddings": 2048, "rope_scaling": {"rope_type": "linear", "factor": 4.0}}
    assert "or raise it there if its linear rope scaling reaches further." in refusal("llama", **linear)


@pytest.mark.parametrize("name", CONFIGS + VISION_CONFIGS)
def test_yarn_extends_what_it_can_and_changes_nothing_else(name):
    raw = read_config(name)
    config = config_of(**raw)
    size = 2 * position_limit(config) + 1
    fields = extension(raw, config, size)
    assert bool(fields) == (name not in NOT_BY_YARN)
    if fields:
        extended = config_of(**raw | fields)
        assert position_limit(extended) >= size
        assert extended.rope_parameters.items() >= {**config.rope_parameters, "rope_type": "yarn"}.items()


def test_a_theta_among_the_rope_parameters_stays():
    raw = {"max_position_embeddings": 2048, "rope_parameters": {"rope_type": "default", "rope_theta": 5e5}}
    fields = extension(raw, config_of("llama", **raw), 4096)
    assert fields["rope_parameters"] == {
        "rope_theta": 5e5, "rope_type": "yarn", "factor": 2.0, "original_max_position_embeddings": 2048,
    }  # fmt: skip


@pytest.fixture
def extended(own_tiny, tmp_path):
    """The settings of a compile of a checkpoint of 128 positions, which was extended to 256 as the refusal says."""
    settings = replace(GOOD, model_path=own_tiny, artifacts_path=tmp_path / "package", max_kv_cache_size=256)
    words = r"the model has 128 positions .* give 128 or less .* extend them with YaRN: in config\.json, (\".*})\."
    with pytest.raises(SettingError, match=words) as caught:
        prepare(settings)
    edit_json(own_tiny / "config.json", **json.loads("{" + re.search(words, str(caught.value))[1] + "}"))
    return settings


def test_what_the_refusal_says_is_accepted(extended):
    assert prepare(extended).model.config.rope_parameters["factor"] == 2.0


@pytest.mark.slow
def test_a_checkpoint_that_was_extended_says_what_hugging_face_says(extended):
    folder = extended.model_path
    package = build_and_compile_llm(folder, extended.artifacts_path, 256, [32], activations="float16")
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    tokens = np.random.default_rng(0).integers(0, model.config.vocab_size, 230).tolist()
    with torch.no_grad():
        expected = model(torch.tensor([tokens])).logits[0, -1].numpy()
    with Session(package, threads=2) as session:
        found = session.logits(tokens)
    assert np.dot(found, expected) / np.linalg.norm(found) / np.linalg.norm(expected) > 0.9999
