"""`tyllm inspect` shows a package to a person and to a program."""

import json

from .sample_package import write_package


def test_a_person_sees_sizes_dtypes_steps_and_provenance(tyllm, tmp_path):
    outcome = tyllm("inspect", write_package(tmp_path / "package"))
    assert outcome.code == 0
    for words in (
        "Qwen2ForCausalLM",
        "awq INT4, groups of 32",
        "made from",
        "tiny",
        "float16 146 B",
        "rms_norm",
        "torch 2.13.0",
    ):
        assert words in outcome.out


def test_a_program_gets_json(tyllm, tmp_path):
    report = json.loads(tyllm("inspect", write_package(tmp_path / "package"), "--json").out)
    assert report["dies"][0]["programs"]["1"]["kernels"]["linear"] == 1


def test_no_package(tyllm, tmp_path):
    outcome = tyllm("inspect", tmp_path)
    assert outcome.code == 6
    assert "is no package: it has no manifest.json" in outcome.err
