"""The command line refuses what cannot be measured, and engines that cannot be made are reported, not fatal."""

import pytest
from baselines.harness.steps import StepError
from baselines.inference.shapes import SHAPES
from baselines.serving import command
from baselines.serving.engines import ENGINES
from baselines.serving.rounds import jobs
from baselines.serving.samples import ServingRun, Workload
from baselines.serving.table import markdown


def test_the_workload_is_the_command_lines():
    given = command.arguments(["--streams", "4", "--new", "8"])
    assert given.workload == Workload(streams=(4,), new=8)
    assert given.rounds == 3


def test_unknown_names_and_sizes_that_do_not_fit_are_refused(capsys):
    for words in (["--engines", "steam"], ["--only", "pp7"], ["--new", "1"], ["--long-prompt", "99999"]):
        with pytest.raises(SystemExit):
            command.arguments(words)
    assert "100000 tokens do not fit into a cache" in capsys.readouterr().err


def test_an_engine_that_cannot_be_made_is_left_out_and_shown(monkeypatch):
    made = []

    def make_model(engine, shape, keep):
        if engine.name == "openvino":
            raise StepError("no space")
        made.append((engine.name, keep))

    monkeypatch.setattr(command, "make_model", make_model)
    monkeypatch.setattr(command, "make_engine", lambda engine: None)
    run = ServingRun(when="2026-01-02", machine="A processor", threads=2)
    wanted = jobs(SHAPES[:1], ENGINES[:2], ["throughput", "score"])
    assert [job.part for job in command.make_all(run, wanted, keep=True)] == ["throughput", "score"]
    assert made == [("tyllm", True)]
    assert list(run.versions) == ["tyllm"]
    assert "OpenVINO GenAI int4 g128, throughput, not run: no space" in markdown(run)


def test_documents_are_written_whole_and_again_the_same(small_run, monkeypatch, tmp_path):
    monkeypatch.setattr(command, "DOCS", tmp_path)
    document = tmp_path / "serving.md"
    document.write_text("Text.\n<!-- make bench-serving: begin --><!-- make bench-serving: end -->\n", encoding="utf-8")
    for _ in range(2):
        command.write_documents(small_run)
    text = document.read_text(encoding="utf-8")
    assert text.startswith("Text.\n")
    assert text.count("### Qwen2-0.5B") == 1
    assert type(small_run).load(tmp_path / "serving.json") == small_run
