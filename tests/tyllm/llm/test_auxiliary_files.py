"""The files that a package takes along, and the table of embeddings where they are an input."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch
from tests.tyllm.llm.test_compile_settings import GOOD

from tyllm.build.weight_formats import Quantization
from tyllm.build.weight_reader import WeightReader
from tyllm.llm import auxiliary_files
from tyllm.llm.auxiliary_files import check_auxiliary_files, copy_config_and_tokenizer, write_embedding
from tyllm.llm.package_job import prepare
from tyllm.package import Params
from tyllm_base.errors import CheckpointError

TABLE = "model.embed_tokens.weight"


def test_config_and_tokenizer_come_along(tiny, tmp_path):
    copy_config_and_tokenizer(tiny, tmp_path)
    expected = {"config.json", "generation_config.json", "tokenizer.json", "tokenizer_config.json"}
    names = {path.name for path in tmp_path.iterdir()}
    assert expected <= names and not any(name.endswith("safetensors") for name in names)
    assert all((tmp_path / name).read_bytes() == (tiny / name).read_bytes() for name in names)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("generation_config.json", {"eos_token_id": "x"}),
        ("generation_config.json", {"eos_token_id": [1, 1 << 40]}),
        ("config.json", {"vision_config": {"spatial_merge_size": 0}}),
        ("config.json", {"image_token_id": 1.5}),
        ("preprocessor_config.json", {"patch_size": -1}),
        ("processor_config.json", {"image_processor": {"merge_size": "2"}}),
    ],
)
def test_what_the_runtime_would_refuse_is_said_of_the_checkpoint(tmp_path, name, content):
    (tmp_path / name).write_text(json.dumps(content))
    said = rf"{tmp_path}/pr?[a-z_]+\.json says|{tmp_path}/{name} says"
    with pytest.raises(
        CheckpointError, match=rf"({said}) what cannot be .*; correct it, or download the model again\.$"
    ):
        check_auxiliary_files(tmp_path)


def test_it_is_refused_before_anything_is_prepared(tiny, tmp_path):
    checkpoint = shutil.copytree(tiny, tmp_path / "checkpoint")
    (checkpoint / "generation_config.json").write_text('{"eos_token_id": "x"}')
    with pytest.raises(CheckpointError, match=r"checkpoint/generation_config\.json says what cannot be"):
        prepare(replace(GOOD, model_path=checkpoint))


@pytest.fixture
def written(meta_model, floats_of, tmp_path, monkeypatch):
    monkeypatch.setattr(auxiliary_files, "ROWS", 100)  # the last piece is short

    def write(wanted, scale=None):
        model = meta_model()
        if scale:
            model.get_input_embeddings().embed_scale = torch.tensor(scale)  # as Gemma has it
        weights = floats_of(model)
        reader = WeightReader(weights, Quantization(None, 128, frozenset()), {})
        write_embedding(tmp_path, model, reader, replace(GOOD, embedding_as_input=wanted))
        return weights

    return write


def test_the_table(written, tmp_path):
    weights = written(True)
    tensors = Params(tmp_path / "embedding.params").tensors
    assert list(tensors) == ["embedding"]
    np.testing.assert_array_equal(tensors["embedding"], weights[TABLE])


def test_the_table_of_a_model_that_scales_its_embedding(written, tmp_path):
    weights = written(True, scale=16.0)
    np.testing.assert_array_equal(Params(tmp_path / "embedding.params").tensors["embedding"], weights[TABLE] * 16)


def test_no_table_where_tokens_are_the_input(written, tmp_path):
    written(False)
    assert not (tmp_path / "embedding.params").exists()


def test_a_table_beyond_float16(meta_model, memory, tmp_path):
    table = np.zeros((320, 128), np.float32)
    table[7, 7] = 1e5
    reader = WeightReader(memory({TABLE: table}), Quantization(None, 128, frozenset()), {})
    with pytest.raises(CheckpointError, match=f"{TABLE} holds 100000, above float16"):
        write_embedding(tmp_path, meta_model(), reader, replace(GOOD, embedding_as_input=True))
