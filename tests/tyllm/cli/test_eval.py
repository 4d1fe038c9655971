"""`tyllm eval`: a table, JSON, and a sentence for what cannot be evaluated."""

import json

import pytest


@pytest.fixture
def text(tmp_path):
    file = tmp_path / "text.txt"
    file.write_text("A toy reads bytes, each of which is a token, and says what it thinks of the next one. " * 3)
    return file


def test_a_package_alone(tyllm, package, text):
    outcome = tyllm("eval", package, "--text", text)
    assert outcome.code == 0
    assert "252 tokens, 4 windows of 64" in outcome.out
    assert "perplexity" in outcome.out and "top-1 right" in outcome.out
    assert "KL" not in outcome.out


def test_two_packages(tyllm, package, text):
    outcome = tyllm("eval", package, "--reference", package, "--text", text, "--window", 16, "--max-tokens", 40)
    assert "30 tokens, 2 windows of 16" in outcome.out
    assert "0.00000 [0.00000, 0.00000]" in outcome.out
    assert "100.0% [100.0%, 100.0%]" in outcome.out


def test_json(tyllm, package, text):
    outcome = tyllm("eval", package, "--reference", package, "--text", text, "--window", 16, "--json")
    report = json.loads(outcome.out)
    assert (report["model"], report["reference"], report["text"]) == (str(package), str(package), str(text))
    result = report["result"]
    assert (result["tokens"], result["window"], result["windows"]) == (16 * 15, 16, 16)
    assert result["quality"] == result["reference"]
    assert result["quality"]["perplexity"]["low"] < result["quality"]["perplexity"]["value"]
    assert result["closeness"]["divergence_max"] == 0
    assert (result["closeness"]["lost"], result["closeness"]["gained"]) == (0, 0)


def test_the_built_in_text(tyllm, package):
    report = json.loads(tyllm("eval", package, "--max-tokens", 64, "--json").out)
    assert (report["text"], report["reference"], report["result"]["tokens"]) == ("built-in", None, 63)
    assert report["result"]["closeness"] is None


@pytest.mark.parametrize(
    ("content", "options", "code", "said"),
    [
        (b"text", ("--window", "65"), 4, "A window of 65 tokens is more than the 64 that"),
        (b"text", ("--window", "1"), 2, "--window"),
        (b"", (), 4, "The text has 0 tokens, and a prediction needs 2"),
        ("Füße".encode("latin-1"), (), 4, "is not UTF-8 text"),
        (None, (), 2, "text.txt"),
        (b"text", ("--reference", "no-such-folder"), 3, "no-such-folder has no config.json"),
    ],
)
def test_what_cannot_be_evaluated(tyllm, package, tmp_path, content, options, code, said):
    if content is not None:
        (tmp_path / "text.txt").write_bytes(content)
    outcome = tyllm("eval", package, "--text", tmp_path / "text.txt", *options)
    assert (outcome.code, outcome.out) == (code, "")
    assert said in " ".join(outcome.err.split())
    assert "Traceback" not in outcome.err


def test_a_folder_needs_torch_and_a_package_does_not(tyllm, package, text, tmp_path, monkeypatch):
    monkeypatch.setattr("tyllm.cli.missing_extra.find_spec", lambda module: None)
    assert tyllm("eval", package, "--text", text).code == 0
    outcome = tyllm("eval", tmp_path, "--text", text)
    assert outcome.code == 9
    assert "`tyllm eval` needs torch" in outcome.err
