"""The command line picks lengths by metric, and models that cannot be made are reported, not fatal."""

from importlib.util import module_from_spec, spec_from_file_location

import pytest


@pytest.fixture
def program(peers):
    """scripts/peers/__main__.py as a module."""
    spec = spec_from_file_location("peers_program", peers("places").SCRIPTS / "peers" / "__main__.py")
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


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
def test_prompts_that_a_metric_needs(program, only, prompts):
    assert program.wanted_prompts(only) == prompts


def test_unknown_names_are_refused(program, capsys):
    for words in (["--engines", "steam"], ["--only", "pp7"], ["--models", "huge"]):
        with pytest.raises(SystemExit):
            program.arguments(words)
    assert "invalid choice" in capsys.readouterr().err


def test_an_engine_that_cannot_be_made_is_shown_as_failed(peers, program, monkeypatch, tmp_path):
    shape, (ours, theirs, *_) = peers("shapes").SHAPES[0], peers("engines").ENGINES
    model = tmp_path / "model"
    model.write_bytes(b"12345")

    def make_model(engine, shape):
        if engine is theirs:
            raise peers("steps").StepError("no compiler")
        return model

    monkeypatch.setattr(program, "make_model", make_model)
    monkeypatch.setattr(program, "make_environment", lambda name: None)
    run = peers("samples").Run("2026-01-02", "A processor", 2)
    assert program.make_all(run, [shape], [ours, theirs]) == [(shape, ours)]
    assert run.sizes == {shape.name: {ours.name: 5}}
    assert "OpenVINO GenAI int4 g128 failed: no compiler" in peers("table").markdown(run)


def test_documents_are_written_whole_and_again_the_same(program, small_run, monkeypatch, tmp_path):
    monkeypatch.setattr(program, "DOCS", tmp_path)
    document = tmp_path / "performance.md"
    document.write_text("Text.\n<!-- make bench: begin --><!-- make bench: end -->\n", encoding="utf-8")
    for _ in range(2):
        program.write_documents(small_run)
    text = document.read_text(encoding="utf-8")
    assert text.startswith("Text.\n")
    assert text.count("(performance.svg)") == text.count("### Qwen2-0.5B") == 1
    assert (tmp_path / "performance.svg").read_text(encoding="utf-8").startswith("<svg")
    assert type(small_run).load(tmp_path / "performance.json") == small_run
