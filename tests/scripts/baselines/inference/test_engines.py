"""Engines have names of their own, and a model that is a file is named."""

from baselines.inference.engines import ENGINES, MODELS


def test_names_differ():
    assert len({engine.name for engine in ENGINES}) == len(ENGINES)


def test_a_model_is_a_folder_or_a_file_in_it():
    models = {engine.name: engine.model("Qwen2-0.5B") for engine in ENGINES}
    assert models["tyllm"] == MODELS / "Qwen2-0.5B" / "tyllm"
    assert models["llama.cpp-q4_0"] == MODELS / "Qwen2-0.5B" / "llama.cpp-q4_0" / "model.gguf"


def test_only_llama_cpp_needs_variables():
    assert [engine.name for engine in ENGINES if engine.variables()] == ["llama.cpp-q4_0", "llama.cpp-q4_k_m"]
