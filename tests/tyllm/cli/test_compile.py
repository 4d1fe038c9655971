"""`tyllm compile`: what the compiler is told, and what the user is told."""

import json

import pytest

from tyllm import build_util


@pytest.fixture
def told(monkeypatch):
    """What the compiler was told last."""
    arguments = {}

    def build_and_compile_llm(**given):
        arguments.update(given)
        given["progress"](1, 1, "done")
        package = given["artifacts_path"] or given["model_path"].with_name("by-default")
        package.mkdir()
        (package / "config.json").write_text("{}")
        return package

    monkeypatch.setattr(build_util, "build_and_compile_llm", build_and_compile_llm)
    return arguments


def test_the_defaults(tyllm, told, tmp_path):
    outcome = tyllm("compile", tmp_path / "model", "--dies", 4)
    assert outcome.code == 0
    assert "for 4 dies" in outcome.out
    assert f"Run it: tyllm run {tmp_path / 'by-default'}" in outcome.out
    del told["progress"]
    assert told == {
        "model_path": tmp_path / "model",
        "artifacts_path": None,
        "max_kv_cache_size": 4096,
        "seq_len_list": None,
        "dev_count": 4,
        "batch_sizes": None,
        "embedding_as_input": False,
        "activations": "int8",
        "kv_cache_dtype": "float16",
        "quantize": None,
        "group_size": 128,
        "target": "native",
        "trust_remote_code": False,
        "overwrite": False,
        "image_sizes": [],
        "visual_dies": None,
        "die_order": None,
        "visual_die_order": None,
    }


def test_a_model_that_sees(tyllm, told, tmp_path):
    outcome = tyllm(
        *("compile", tmp_path / "model", "--image-size", "540x960", "--image-size", "448X768", "--visual-dies", 3),
        *("--dies", 4, "--die-order", "1,2,3,0", "--visual-die-order", "3,2,1"),
    )
    assert outcome.code == 0 and "'Once upon a time'" in outcome.out
    assert told["image_sizes"] == [(540, 960), (448, 768)]
    assert (told["visual_dies"], told["dev_count"]) == (3, 4)
    assert (told["die_order"], told["visual_die_order"]) == ([1, 2, 3, 0], [3, 2, 1])


@pytest.mark.parametrize("text", ["540", "540x", "0.5x3", "-28x28", "axb"])
def test_no_size(tyllm, told, tmp_path, text):
    outcome = tyllm("compile", tmp_path / "model", "--image-size", text)
    assert outcome.code == 2 and "is no height and width such as 540x960" in outcome.err


def test_every_option(tyllm, told, tmp_path):
    outcome = tyllm(
        *("compile", tmp_path / "model", tmp_path / "out", "--seq-lens", "1, 16,64", "--max-kv-cache-size", 256),
        *(
            "--embedding-as-input",
            "--activations",
            "float16",
            "--kv-cache-dtype",
            "int8",
            "--quantize",
            "rtn",
            "--group-size",
            64,
        ),
        *("--target", "plain", "--overwrite", "--trust-remote-code", "--json"),
    )
    report = json.loads(outcome.out)
    assert (report["package"], report["dies"], report["bytes"]) == (str(tmp_path / "out"), 1, 2)
    assert told["seq_len_list"] == [1, 16, 64]
    assert (told["max_kv_cache_size"], told["group_size"]) == (256, 64)
    assert (told["activations"], told["quantize"], told["target"]) == ("float16", "rtn", "plain")
    assert told["kv_cache_dtype"] == "int8"
    assert told["embedding_as_input"] is told["overwrite"] is told["trust_remote_code"] is True
