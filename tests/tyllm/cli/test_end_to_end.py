"""Quantize, compile for 1, 2 and 3 dies, run: the same tokens, all through the command line."""

import json

import pytest

PROMPT = "def f(x): return"


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    import torch
    from random_weights import write_random_checkpoint
    from small_config import small_config

    torch.set_num_threads(1)  # threads of tiny products wait for each other longer than they work
    folder = tmp_path_factory.mktemp("checkpoints") / "tiny"
    write_random_checkpoint(small_config("Qwen1.5-1.8B"), folder)
    return folder


def compiled(tyllm, checkpoint, package, dies, *arguments):
    outcome = tyllm("compile", checkpoint, package, "--dies", dies, "--max-kv-cache-size", 128, *arguments, "--json")
    assert outcome.code == 0, outcome.err
    return json.loads(outcome.out)


def streamed(tyllm, package, *arguments):
    outcome = tyllm("run", package, PROMPT, "--max-new-tokens", 12, "--json", *arguments)
    assert outcome.code == 0, outcome.err
    return json.loads(outcome.out)["token_ids"]


def test_the_same_tokens_on_1_2_and_3_dies(tyllm, checkpoint, tmp_path):
    quantized = tmp_path / "awq"
    outcome = tyllm("quantize", checkpoint, quantized, "--max-samples", 2, "--max-length", 64, "--json")
    assert outcome.code == 0, outcome.err
    assert json.loads(outcome.out)["quant_config"]["lm_head_enable"] is True
    tokens = []
    for dies, seq_lens in ((1, "1,8"), (2, "8"), (3, "1")):  # the sequence lengths must not matter either
        package = tmp_path / f"{dies}die"
        settings = ["--seq-lens", seq_lens, "--activations", "float16"]
        assert compiled(tyllm, quantized, package, dies, *settings)["dies"] == dies
        tokens.append(streamed(tyllm, package))
    assert len(tokens[0]) == 12
    assert tokens[0] == tokens[1] == tokens[2]

    report = json.loads(tyllm("inspect", tmp_path / "3die", "--json").out)
    assert [die["die"] for die in report["dies"]] == [0, 1, 2]
    assert report["quantization"]["method"] == "awq"
    assert all(die["programs"]["1"]["steps"] > 0 for die in report["dies"])
    assert tyllm("verify", tmp_path / "3die").code == 0

    outcome = tyllm("bench", tmp_path / "1die", tmp_path / "3die", "-p", 16, "-n", 4, "-d", "0,32", "-r", 2, "--json")
    results = json.loads(outcome.out)["results"]
    assert [result["test"] for result in results] == ["pp16", "tg4", "pp16 @ d32", "tg4 @ d32"] * 2
    assert all(0 < result["share"] < 1.5 for result in results if result["kind"] == "pp")

    outcome = tyllm("compile", quantized, tmp_path / "3die", "--json")
    assert outcome.code == 7
    assert json.loads(outcome.out)["exit_code"] == 7


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["--dies", 5], 4),
        (["--seq-lens", "0"], 4),
        (["--seq-lens", "1,4096"], 4),
        (["--quantize", "rtn", "--group-size", 48], 4),
        (["--target", "z80"], 4),
    ],
)
def test_a_setting_that_cannot_work(tyllm, checkpoint, tmp_path, arguments, code):
    outcome = tyllm("compile", checkpoint, tmp_path / "package", "--max-kv-cache-size", 128, *arguments)
    assert outcome.code == code, outcome.err
    assert outcome.err.count("\n") == 1
    assert not (tmp_path / "package").exists()


def test_no_checkpoint(tyllm, tmp_path):
    for command in ("quantize", "compile"):
        outcome = tyllm(command, tmp_path, tmp_path / "out")
        assert outcome.code == 3, outcome.err
        assert outcome.err.startswith("tyllm: ")
