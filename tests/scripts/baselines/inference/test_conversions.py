"""Every engine has a recipe, and a recipe's commands stand on what was made before."""

from pathlib import Path

import pytest
from baselines.harness.environments import REQUIREMENTS
from baselines.inference import conversions, engines
from baselines.inference.conversions import make_engine, make_model
from baselines.inference.engines import ENGINES
from baselines.inference.shapes import NEW_TOKENS, SHAPES


def test_every_engine_has_a_recipe_an_environment_and_a_driver():
    assert {engine.name for engine in ENGINES} == set(conversions.RECIPES)
    assert {engine.environment for engine in ENGINES if not engine.is_ours} <= set(REQUIREMENTS)
    assert all(engine.command()[1].is_file() for engine in ENGINES)


def test_our_cache_holds_the_longest_prompt_and_what_follows():
    longest = max(length for shape in SHAPES for length in shape.prompts)
    assert longest + NEW_TOKENS <= conversions.CAPACITY


@pytest.fixture
def commands(monkeypatch, tmp_path):
    """The commands that `make_model` runs, as lists of words; each leaves the file or folder that it was to write."""
    ran = []

    def run(command, log, added=None):
        words = [str(word) for word in command]
        assert all(Path(word).is_file() for word in words if word.endswith(".py"))
        ran.append(words)
        for word in words:
            if ".part" in word:
                Path(word).touch()

    monkeypatch.setattr(conversions, "run", run)
    for module in (conversions, engines):
        monkeypatch.setattr(module, "MODELS", tmp_path / "models")
    monkeypatch.setattr(conversions, "CHECKPOINTS", tmp_path / "checkpoints")
    return ran


def test_llama_cpp_converts_to_float16_and_quantizes_it(commands):
    engine = next(engine for engine in ENGINES if engine.name == "llama.cpp-q4_k_m")
    model = make_model(engine, SHAPES[0])
    assert [path.name for path in model.parent.iterdir()] == ["model.gguf"]
    _, convert, quantize = commands
    assert convert[-1] == quantize[-3]
    assert quantize[-1] == "Q4_K_M"


def test_a_baseline_is_converted_once_and_ours_compiled_each_time(commands):
    ours, theirs, *_ = ENGINES
    for _ in range(2):
        for engine in (ours, theirs):
            make_model(engine, SHAPES[0])
    assert [command[1:4] for command in commands].count(["-m", "tyllm", "compile"]) == 2
    assert len(commands) == 1 + 2 + 1  # checkpoint, ours twice, theirs


def test_llama_cpp_is_compiled_for_its_engines_alone(monkeypatch):
    made = []
    monkeypatch.setattr(conversions, "make_environment", made.append)
    monkeypatch.setattr(conversions, "make_llama_cpp", lambda: made.append("compiled"))
    for engine in ENGINES[3:5]:
        make_engine(engine)
    assert made == ["onnxruntime", "llama.cpp", "compiled"]
