"""What a checkpoint says of its model, in either of the two places where configs say it."""

import json

import pytest

from tyllm.package.hf_config import HfConfig, HfGenerationConfig, HfPreprocessor
from tyllm_base.errors import PackageError


def written(folder, name, **content):
    (folder / name).write_text(json.dumps(content))
    return folder


def test_fields_of_the_language_model(tmp_path):
    text = {"vocab_size": 10, "other": [{}]}
    found = HfConfig.read(written(tmp_path, "config.json", vocab_size=20, hidden_size=4, text_config=text, x=1))
    facts = ("vocab_size", "hidden_size", "num_hidden_layers")
    assert [found.of_text(name) for name in facts] == [10, 4, None]
    assert (found.first("vocab_size"), found.first("hidden_size")) == (20, 4)


@pytest.mark.parametrize("ids", [None, 3, [3, 4]])
def test_tokens_that_end_a_text(tmp_path, ids):
    found = HfGenerationConfig.read(written(tmp_path, "generation_config.json", eos_token_id=ids))
    assert found.eos_token_id == (tuple(ids) if isinstance(ids, list) else ids)


def test_a_generation_config_may_be_missing(tmp_path):
    assert HfGenerationConfig.read(tmp_path).eos_token_id is None


def test_the_preprocessor_in_either_file(tmp_path):
    assert (HfPreprocessor.read(tmp_path).side, HfPreprocessor.read(tmp_path).merge) == (14, 2)
    found = HfPreprocessor.read(written(tmp_path, "preprocessor_config.json", patch_size=16, merge_size=None))
    assert (found.side, found.merge, found.patch_values) == (16, 2, 3 * 2 * 256)
    written(tmp_path, "processor_config.json", image_processor={"patch_size": 8, "merge_size": 4})
    assert (HfPreprocessor.read(tmp_path).side, HfPreprocessor.read(tmp_path).merge) == (8, 4)


@pytest.mark.parametrize("wrong", [{"vocab_size": 0}, {"hidden_size": "8"}, {"vision_config": []}, {"model_type": 1}])
def test_what_cannot_be(tmp_path, wrong):
    with pytest.raises(PackageError, match="says what cannot be"):
        HfConfig.read(written(tmp_path, "config.json", **wrong))


@pytest.mark.parametrize(("given", "side"), [(14, 14), ([14, 14], (14, 14))])
def test_patches_of_either_form(tmp_path, given, side):
    found = HfConfig.read(written(tmp_path, "config.json", vision_config={"patch_size": given}))
    assert found.vision_config.patch_size == side
