"""`tyllm models` lists the table of families, vision-language models among them."""

import json

from tests.families.changes import CHANGES
from tests.families.random_model import random_model, save

from hf_checkpoint.families import FAMILIES


def test_the_list(tyllm):
    report = json.loads(tyllm("models", "--json").out)
    assert [model["architecture"] for model in report["models"]] == [family.architecture for family in FAMILIES]
    assert report["models"][0] == {
        "architecture": "Qwen2ForCausalLM",
        "model_type": "qwen2",
        "checkpoints": ["Qwen1.5", "Qwen2", "Qwen2.5", "DeepSeek-R1-Distill-Qwen"],
        "tested": "1, 2, 3, 4 dies",
    }


def test_vision_language_models_are_listed(tyllm):
    assert "Qwen2_5_VLForConditionalGeneration" in tyllm("models", "--json").out
    assert "Qwen2-VL" in tyllm("models").out


def test_a_checkpoint_that_is_taken(tyllm, tiny):
    assert "Qwen2ForCausalLM is taken by tyllm compile; tested on 1, 2, 3, 4 dies." in tyllm("models", tiny).out
    assert json.loads(tyllm("models", tiny, "--json").out)["supported"] is True


def test_a_checkpoint_whose_images_are_left_out(tyllm, tmp_path):
    save(random_model("llava", {}), tmp_path / "llava")
    told = " ".join(tyllm("models", tmp_path / "llava").out.split())
    assert told.startswith("LlavaForConditionalGeneration is taken by tyllm compile. It is compiled for text alone")
    assert json.loads(tyllm("models", tmp_path / "llava", "--json").out)["text_alone"] is True


def test_a_checkpoint_that_is_refused(tyllm, tmp_path):
    folder = tmp_path / "lfm2"
    save(random_model("lfm2", CHANGES["lfm2"]), folder)
    for call in (("models", folder), ("quantize", folder, "--method", "rtn")):
        refused = tyllm(*call)
        assert refused.code == 5
        assert "Lfm2ForCausalLM mixes tokens outside of attention" in refused.err.replace("\n", " ")
    assert [path.name for path in tmp_path.iterdir()] == ["lfm2"]
