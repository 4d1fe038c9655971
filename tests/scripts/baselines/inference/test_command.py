"""The command line picks lengths by metric, and models that cannot be made are reported, not fatal."""

import pytest
from baselines.harness.steps import StepError
from baselines.inference import command
from baselines.inference.engines import ENGINES
from baselines.inference.samples import InferenceRun
from baselines.inference.shapes import SHAPES
from baselines.inference.table import markdown


@pytest.mark.parametrize(
    ("only", "prompts"),
    [
        (None, {96, 512, 4096}),
        (["tg@96"], {96}),
        (["pp512", "tg@4096"], {512, 4096}),
        (["start"], {96}),
        (["rss", "size"], {96, 512}),
    ],
)
def test_prompts_that_a_metric_needs(only, prompts):
    assert command.wanted_prompts(only) == prompts


def test_unknown_names_are_refused(capsys):
    for words in (["--engines", "steam"], ["--only", "pp7"], ["--models", "huge"]):
        with pytest.raises(SystemExit):
            command.arguments(words)
    assert "invalid choice" in capsys.readouterr().err


def test_an_engine_that_cannot_be_made_is_shown_as_failed(monkeypatch, tmp_path):
    shape, (ours, theirs, *_) = SHAPES[0], ENGINES
    model = tmp_path / "model"
    model.write_bytes(b"12345")

    def make_model(engine, shape):
        if engine is theirs:
            raise StepError("no compiler")
        return model

    monkeypatch.setattr(command, "make_model", make_model)
    monkeypatch.setattr(command, "make_engine", lambda engine: None)
    run = InferenceRun(when="2026-01-02", machine="A processor", threads=2)
    assert command.make_all(run, [shape], [ours, theirs]) == [(shape, ours)]
    assert run.sizes == {shape.name: {ours.name: 5}}
    assert "OpenVINO GenAI int4 g128 failed: no compiler" in markdown(run)


def test_documents_are_written_whole_and_again_the_same(small_run, monkeypatch, tmp_path):
    monkeypatch.setattr(command, "DOCS", tmp_path)
    document = tmp_path / "performance.md"
    document.write_text("Text.\n<!-- make bench: begin --><!-- make bench: end -->\n", encoding="utf-8")
    for _ in range(2):
        command.write_documents(small_run)
    text = document.read_text(encoding="utf-8")
    assert text.startswith("Text.\n")
    assert text.count("(performance.svg)") == text.count("### Qwen2-0.5B") == 1
    assert (tmp_path / "performance.svg").read_text(encoding="utf-8").startswith("<svg")
    assert type(small_run).load(tmp_path / "performance.json") == small_run
