"""Ours is compiled anew unless it is kept; what others have of single requests is taken."""

import pytest
from baselines.inference.shapes import SHAPES
from baselines.serving import conversions, engines
from baselines.serving.conversions import make_engine, make_model
from baselines.serving.engines import ENGINES, OURS


@pytest.fixture
def commands(monkeypatch, tmp_path):
    """The commands that are run, as texts; each leaves the folder that it was to write."""
    ran = []

    def run(command, log, added=None):
        ran.append(" ".join(map(str, command)))
        for word in map(str, command):
            if word.endswith(".part"):
                (tmp_path / word).mkdir(parents=True)

    monkeypatch.setattr(conversions, "run", run)
    monkeypatch.setattr(conversions.inference, "checkpoint", lambda shape: tmp_path / "checkpoint")
    monkeypatch.setattr(engines, "MODELS", tmp_path / "models")
    return ran


def test_ours_is_compiled_with_batches_each_time_unless_kept(commands):
    for keep in (True, True, False):
        assert make_model(OURS, SHAPES[0], keep=keep).is_dir()
    assert len(commands) == 2
    assert commands[0].endswith("--batch-sizes 4,8,16,32")


def test_vllm_reads_an_awq_folder_whose_head_is_not_quantized(commands):
    for _ in range(2):
        make_model(ENGINES[-1], SHAPES[0], keep=False)
    assert len(commands) == 1
    assert "--method rtn --no-lm-head" in commands[0]


def test_models_of_single_requests_are_made_there(monkeypatch):
    made = []
    monkeypatch.setattr(conversions.inference, "make_model", lambda engine, shape: made.append(engine.name))
    monkeypatch.setattr(conversions.inference, "make_engine", lambda engine: made.append(engine.environment))
    for engine in ENGINES[1:4]:
        make_engine(engine)
        make_model(engine, SHAPES[0], keep=False)
    assert made[::2] == ["openvino", "openvino", "llama.cpp"]
    assert made[1::2] == ["openvino", "openvino-all", "llama.cpp-q4_0"]
