"""The table of families: what tests compare with transformers is in it, and the README shows it."""

import ast
import json
import re
from pathlib import Path

import pytest

from hf_checkpoint.families import (
    FAMILIES,
    TOWERS,
    is_vision_language,
    reads_text_alone,
    stored_vision_facts,
    vision_facts,
)
from hf_checkpoint.model_types import WORKS, model_types

REPO = Path(__file__).resolve().parents[2]
TEXT = REPO / "tests" / "tyllm" / "llm" / "test_architectures.py"
VISION = REPO / "tests" / "tyllm" / "llm" / "vision" / "test_vision_language.py"
BOTH = REPO / "tests" / "tyllm" / "test_vision_language.py"
BY_TYPE = {family.model_type: family for family in FAMILIES if not family.is_tiny}
TINY = [family for family in FAMILIES if family.is_tiny]


def assigned(path, name):
    """The value of a constant of a test file."""
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign) and node.targets[0].id == name:
            return ast.literal_eval(node.value)
    raise AssertionError(f"{path} has no {name}")


def types_of(names):
    configs = [json.loads((REPO / "models" / "configs" / f"{name}.json").read_text()) for name in names]
    return {config["model_type"] for config in configs}


def text_families(group):
    return types_of(assigned(TEXT, group))


def vision_families():
    """The vision-language model types that tests compare with transformers → on which dies."""
    dies = {each: {1, 2} for each in re.search(r'params=\["(\w+)", "(\w+)"\]', BOTH.read_text()).groups()}
    for kind, decoder, _ in assigned(VISION, "CASES"):
        dies[kind].add(decoder)
    return {kind: tuple(sorted(found)) for kind, found in dies.items()}


def test_what_is_compared_with_transformers_is_listed_and_nothing_else():
    assert set(BY_TYPE) == text_families("NAMED") | text_families("OTHERS") | set(vision_families())


def test_how_far_each_is_tested():
    assert {BY_TYPE[each].tested_dies for each in text_families("NAMED")} == {(1, 2, 3, 4)}
    assert {BY_TYPE[each].tested_dies for each in text_families("OTHERS")} == {(1, 3)}
    for model_type, dies in vision_families().items():
        assert BY_TYPE[model_type].tested_dies == dies
        assert BY_TYPE[model_type].tested.endswith("dies, the tower on others")


def test_tiny_ones_are_those_that_the_sweep_found_right():
    assert {family.tested for family in TINY} == {"1, 3 dies, tiny"}
    works = {row.model_type for row in model_types() if row.state == WORKS}
    assert {family.model_type for family in TINY} <= works


def test_the_architecture_is_transformers_name():
    from transformers import AutoModelForCausalLM, AutoModelForImageTextToText

    for family in FAMILIES:
        kind = AutoModelForImageTextToText if family.vision else AutoModelForCausalLM
        found = {config.model_type: model.__name__ for config, model in kind._model_mapping.items()}
        assert found[family.model_type] == family.architecture


def test_the_readme_shows_the_table():
    rows = re.findall(r"^\| (`.*`) \| (.*) \| (.*) \|$", (REPO / "README.md").read_text(encoding="utf-8"), re.MULTILINE)
    shown = {}
    for architectures, published, tested in rows:
        for architecture in re.findall(r"`(\w+)`", architectures):
            shown[architecture] = (published, tested)
    assert set(shown) == {family.architecture for family in BY_TYPE.values()}
    for family in BY_TYPE.values():
        published, tested = shown[family.architecture]
        assert tested == family.tested
        assert set(family.published) <= set(published.split(", "))


@pytest.mark.parametrize(("model_type", "sees"), [("qwen2_vl", True), ("qwen2_5_vl", True), ("qwen2", False)])
def test_which_see_images(model_type, sees):
    config = {"model_type": model_type}
    assert is_vision_language(config) == sees
    assert (vision_facts(config) is not None) == sees


@pytest.mark.parametrize(("model_type", "alone"), [("qwen2_vl", False), ("llava", True)])
def test_which_are_supported_for_text_alone(model_type, alone):
    assert reads_text_alone({"model_type": model_type, "vision_config": {}}) == alone
    assert not reads_text_alone({"model_type": "llama"})


def test_a_tower_is_found_among_stored_tensors():
    assert TOWERS == ("visual.",)
    assert stored_vision_facts(["model.norm.weight", "visual.merger.ln_q.weight"]).tower == "visual"
    assert stored_vision_facts(["model.visual_norm.weight"]) is None
