"""`tyllm inspect` shows a package to a person and to a program."""

import json


def test_a_person_sees_sizes_dtypes_steps_and_provenance(tyllm, package):
    outcome = tyllm("inspect", package)
    assert outcome.code == 0
    for words in ("ToyForCausalLM", "awq INT4, groups of 32", "2 dies", "made from", "tiny", "float32", "torch 2.13.0"):
        assert words in outcome.out


def test_kernels_of_a_kind_are_counted_together(tyllm, package):
    lines = [line.split() for line in tyllm("inspect", package).out.splitlines()]
    assert ["linear_w4a8", "3", "3"] in lines
    assert ["cast", "1", "1"] in lines


def test_a_program_gets_json(tyllm, package):
    report = json.loads(tyllm("inspect", package, "--json").out)
    assert report["dies"][0]["programs"]["1"]["kernels"]["cast1"] == 1
    assert report["seq_lens"] == [1, 8]


def test_no_package(tyllm, tmp_path):
    outcome = tyllm("inspect", tmp_path)
    assert outcome.code == 6
    assert "is no package: it has no manifest.json" in outcome.err
