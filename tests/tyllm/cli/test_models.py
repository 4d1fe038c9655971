"""`tyllm models` lists every architecture that is compared with transformers, and no other."""

import ast
import json
from pathlib import Path

from tyllm.cli.models import MODELS

REPO = Path(__file__).resolve().parents[3]


def compared(group):
    """The model types in a list of tests/tyllm/llm/test_architectures.py."""
    source = (REPO / "tests" / "tyllm" / "llm" / "test_architectures.py").read_text(encoding="utf-8")
    for node in ast.parse(source).body:
        if isinstance(node, ast.Assign) and node.targets[0].id == group:
            configs = [REPO / "models" / "configs" / f"{name}.json" for name in ast.literal_eval(node.value)]
            return {json.loads(config.read_text())["model_type"] for config in configs}
    raise AssertionError(f"There is no list {group}")


def test_what_is_listed_is_what_is_tested():
    assert {model.model_type for model in MODELS if "4 dies" in model.tested} == compared("NAMED")
    assert {model.model_type for model in MODELS if "4 dies" not in model.tested} == compared("OTHERS")


def test_the_list(tyllm):
    report = json.loads(tyllm("models", "--json").out)
    assert [model["architecture"] for model in report["models"]] == [model.architecture for model in MODELS]
    assert "DeepSeek-R1-Distill-Qwen" in tyllm("models").out
