"""`tyllm models` lists the table of families, vision-language models among them."""

import json

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
