"""Programs are chosen by name, and those that cannot be made are reported."""

from baselines.harness.steps import StepError
from baselines.vision_tower import command
from baselines.vision_tower.conversions import Subject
from baselines.vision_tower.engines import ENGINES


def test_a_program_that_starts_slowly_is_measured_when_named():
    named = command.wanted_engines(["torch-batched-sdpa-compiled"])
    assert [engine.name for engine in named] == ["torch-batched-sdpa-compiled"]
    assert not any(engine.on_demand for engine in command.wanted_engines(None))


def test_a_program_that_cannot_be_made_is_a_failed_sample(run, monkeypatch, tmp_path):
    def make_tower(engine, subject, keep):
        if not engine.is_ours:
            raise StepError("no network")
        return tmp_path

    monkeypatch.setattr(command, "make_tower", make_tower)
    monkeypatch.setattr(command, "make_environment", lambda name: None)
    made = command.make_all(run, Subject("Qwen2-VL-2B-Instruct", (4, 6)), ENGINES[:3], keep=True)
    assert list(made) == [ENGINES[0]]
    assert [sample.error for sample in run.samples[-2:]] == ["no network"] * 2
