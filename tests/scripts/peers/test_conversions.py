"""Every engine has a recipe, and what a recipe runs stands on what was made before."""

import pytest


def test_every_engine_has_a_recipe_an_environment_and_a_driver(peers):
    engines = peers("engines").ENGINES
    assert {engine.name for engine in engines} == set(peers("conversions").RECIPES)
    assert {engine.environment for engine in engines if not engine.is_ours} == set(peers("environments").REQUIREMENTS)
    assert all(engine.command()[1].is_file() for engine in engines)


def test_our_cache_holds_the_longest_prompt_and_what_follows(peers):
    conversions, shapes = peers("conversions"), peers("shapes")
    longest = max(length for shape in shapes.SHAPES for length in shape.prompts)
    assert longest + shapes.NEW_TOKENS <= conversions.CAPACITY


@pytest.fixture
def commands(peers, monkeypatch, tmp_path):
    """The commands that `make_model` runs, as lists of words; each leaves the file or folder that it was to write."""
    conversions, engines, ran = peers("conversions"), peers("engines"), []

    def run(command, log, added=None):
        words = [str(word) for word in command]
        ran.append(words)
        for word in words:
            if ".part" in word:
                conversions.Path(word).touch()

    monkeypatch.setattr(conversions, "run", run)
    for module in (conversions, engines):
        monkeypatch.setattr(module, "MODELS", tmp_path / "models")
    monkeypatch.setattr(conversions, "CHECKPOINTS", tmp_path / "checkpoints")
    return ran


def test_llama_cpp_converts_to_float16_and_quantizes_it(peers, commands):
    engine = next(engine for engine in peers("engines").ENGINES if engine.name == "llama.cpp-q4_k_m")
    model = peers("conversions").make_model(engine, peers("shapes").SHAPES[0])
    assert [path.name for path in model.parent.iterdir()] == ["model.gguf"]
    _, convert, quantize = commands
    assert convert[-1] == quantize[-3]
    assert quantize[-1] == "Q4_K_M"


def test_a_peer_is_converted_once_and_ours_compiled_each_time(peers, commands):
    shape, (ours, theirs, *_) = peers("shapes").SHAPES[0], peers("engines").ENGINES
    for _ in range(2):
        for engine in (ours, theirs):
            peers("conversions").make_model(engine, shape)
    assert [command[1:4] for command in commands].count(["-m", "tyllm", "compile"]) == 2
    assert len(commands) == 1 + 2 + 1  # checkpoint, ours twice, theirs
