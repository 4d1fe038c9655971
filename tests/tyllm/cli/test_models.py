"""`tyllm models` lists every architecture with what it was tested on."""

import json


def test_the_list(tyllm):
    report = json.loads(tyllm("models", "--json").out)
    assert {"qwen2", "qwen3", "llama", "mistral"} <= {model["model_type"] for model in report["models"]}
    assert all(model["checkpoints"] for model in report["models"])
    text = tyllm("models").out
    assert "DeepSeek-R1-Distill-Qwen" in text
