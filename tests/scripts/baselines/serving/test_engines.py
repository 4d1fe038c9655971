"""Engines have names, drivers, versions and recipes of their own, or the models of single requests."""

from baselines.harness.environments import REQUIREMENTS
from baselines.serving import conversions
from baselines.serving.engines import ENGINES, MODELS, OURS, inference_engine


def test_names_differ_and_drivers_are_there():
    assert len({engine.name for engine in ENGINES}) == len(ENGINES)
    assert all(engine.command()[1].is_file() for engine in ENGINES)


def test_every_engine_has_a_model():
    models = {engine.name: engine.model("Qwen2-0.5B") for engine in ENGINES}
    assert models["tyllm"] == MODELS / "Qwen2-0.5B" / "tyllm"
    assert models["llama.cpp"] == inference_engine("llama.cpp-q4_0").model("Qwen2-0.5B")
    assert {engine.name for engine in ENGINES if not engine.same} == set(conversions.RECIPES)


def test_every_version_is_pinned():
    versions = {engine.name: engine.version for engine in ENGINES}
    assert versions["llama.cpp"].startswith("llama-cpp-python ")
    assert versions["vllm"] == next(name for name in REQUIREMENTS["vllm"] if "vllm" in name).replace("==", " ")
    assert [name for name, version in versions.items() if not version] == [OURS.name]


def test_vllm_is_given_its_cores():
    vllm = ENGINES[-1].variables(1)
    assert vllm["OMP_NUM_THREADS"] == "1"
    assert vllm["VLLM_CPU_OMP_THREADS_BIND"].isdigit()
    assert OURS.variables(1) == {}
