"""`tyllm bench` refuses what cannot be measured, and prints one table for all packages."""

import csv
import io
import json

import pytest


@pytest.fixture(autouse=True)
def known_limits(monkeypatch):
    monkeypatch.setattr("tyllm.bench.run.measure_limits", lambda package, threads, report: {"read": 1e9, "int8": 1e9})


def test_one_table(tyllm, package):
    outcome = tyllm("bench", package, package, "-p", "8,16", "-n", 4, "-d", 0, "--depth", 8, "-r", 2, "-t", 2)
    assert outcome.code == 0, outcome.err
    lines = outcome.out.splitlines()
    tests = [line.split("|")[5].strip() for line in lines[2:14]]
    assert tests == ["pp8", "pp16", "tg4", "pp8 @ d8", "pp16 @ d8", "tg4 @ d8"] * 2
    assert lines[-1] == "Limits of plain, threads: 2; read 1.0 GB/s, int8 1.0 Gop/s"


@pytest.mark.parametrize("option", [("--json",), ("--output", "json")])
def test_json(tyllm, package, option):
    outcome = tyllm("bench", package, "-p", 8, "-n", 0, "-r", 3, *option)
    (result,) = json.loads(outcome.out)["results"]
    assert (result["test"], len(result["samples"]), result["dies"]) == ("pp8", 3, 2)


def test_csv(tyllm, package):
    outcome = tyllm("bench", package, "-p", 0, "-n", 2, "-r", 1, "--output", "csv")
    (result,) = csv.DictReader(io.StringIO(outcome.out))
    assert (result["test"], result["deviation"]) == ("tg2", "0.0")


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        (["-p", "many"], 2, "'many' is no list of whole numbers such as 96,512"),
        (["-n", "-3"], 2, "'-3' is no list of whole numbers"),
        (["-p", 0, "-n", 0], 2, "there is nothing to measure"),
        (["-r", 0], 2, "Input should be greater than or equal to 1"),
        (["--output", "xml"], 2, "xml"),
        (["-t", 0], 4, "0 threads cannot run anything"),
        (["-p", 8, "-n", 8, "-d", 60], 8, "pp8 @ d60 wants 68 tokens in a cache of 64"),
    ],
)
def test_a_mistake_is_one_sentence(tyllm, package, arguments, code, sentence):
    outcome = tyllm("bench", package, *arguments)
    assert outcome.code == code
    assert sentence in outcome.err
    assert outcome.err.count("\n") == 1
    assert outcome.out == ""


def test_no_package(tyllm, tmp_path):
    assert tyllm("bench", tmp_path / "nothing").code == 6
