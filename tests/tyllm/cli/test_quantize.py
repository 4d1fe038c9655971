"""`tyllm quantize`: what the quantizer is told, where the result goes, and what is said of it."""

import json
from dataclasses import replace
from types import SimpleNamespace

import pytest
from tests.tiny_checkpoint import write_tiny

import awq
import tyllm.evaluate
from awq.quant_config import QuantConfig
from awq.run.quantization_report import LinearError, QuantizationReport
from awq.run.run_plan import RunPlan
from hf_checkpoint.checkpoint import Checkpoint
from tyllm_base.errors import SettingError

PLAN = RunPlan(2, {4: 13, 16: 2}, 1_000_000, 4.156, 500_000, 4096, 1 << 30, 1 << 20, 2_000_000, 0, 1 << 34)
REPORT = QuantizationReport(
    "outputs", (LinearError("layers.0.up", 4, 100, 0.01), LinearError("layers.1.up", 4, 100, 0.02)), (0.001,)
)


class FakeModel:
    """Writes down what it is told, and a file."""

    told = None
    plan, report = PLAN, REPORT
    quant_config = QuantConfig(overrides={"layers.1.up": None})
    checkpoint = SimpleNamespace(tensors={"a": SimpleNamespace(nbytes=4000)})

    def quantize(self, **told):
        FakeModel.told = told
        told["announce"](PLAN)
        told["progress"](1, 1, "done")

    def save_quantized(self, folder):
        folder.mkdir()
        (folder / "config.json").write_text("{}")


@pytest.fixture
def told(monkeypatch):
    """What the last `quantize` was told; evaluations are refused."""
    opened = {}

    def from_pretrained(path, **options):
        opened.update(options, path=path)
        return FakeModel()

    def evaluate(*_, **__):
        raise SettingError("There is no tokenizer.")

    monkeypatch.setattr(awq.AutoAWQForCausalLM, "from_pretrained", from_pretrained)
    monkeypatch.setattr(tyllm.evaluate, "evaluate", evaluate)
    return lambda: {**opened, **FakeModel.told}


def test_the_defaults(tyllm, told, tmp_path):
    outcome = tyllm("quantize", tmp_path / "model")
    assert outcome.code == 0
    assert "Compile it: tyllm compile" in outcome.out
    assert told()["path"] == tmp_path / "model"
    assert told()["quant_path"] == tmp_path / "model-AWQ-INT4"
    assert (tmp_path / "model-AWQ-INT4" / "config.json").exists()
    config = {"zero_point": True, "q_group_size": 128, "w_bit": 4, "version": "GEMM", "lm_head_enable": True}
    assert told()["quant_config"] == config | {"modules_to_not_convert": None, "format": "awq", "vision_bits": 16}
    assert (told()["method"], told()["without"], told()["bits_per_weight"]) == ("tyllm", [], None)
    assert told()["trust_remote_code"] is False
    assert told()["calib_data"] is None


def test_every_option(tyllm, told, tmp_path):
    (tmp_path / "text").write_text("words")
    outcome = tyllm(
        *("quantize", tmp_path / "model", tmp_path / "out", "--method", "rtn", "--group-size", 64, "--no-lm-head"),
        *("--calibration", tmp_path / "text", "--max-samples", 3, "--max-length", 5, "--trust-remote-code", "--json"),
        *(
            "--bits",
            8,
            "--symmetric",
            "--format",
            "compressed-tensors",
            "--vision-bits",
            8,
            "--exclude",
            "o_proj",
            "--exclude",
            "layers.0.",
        ),
        *("--without", "scale", "--without", "range", "--bits-per-weight", 4.5, "--no-eval"),
    )
    report = json.loads(outcome.out)
    assert (report["checkpoint"], report["method"], report["bytes"]) == (str(tmp_path / "out"), "rtn", 2)
    config = {"zero_point": False, "q_group_size": 64, "w_bit": 8, "version": "GEMM", "lm_head_enable": False}
    more = {"modules_to_not_convert": ["o_proj", "layers.0."], "format": "compressed-tensors", "vision_bits": 8}
    assert told()["quant_config"] == report["quant_config"] == config | more
    assert told()["without"] == ["scale", "range"]
    assert told()["bits_per_weight"] == 4.5
    assert told()["calib_data"] == tmp_path / "text"
    assert (told()["max_calib_samples"], told()["max_calib_seq_len"]) == (3, 5)
    assert told()["trust_remote_code"] is True
    assert "evaluation" not in report and "not_evaluated" not in report


@pytest.mark.parametrize(
    ("options", "name"),
    [
        ([], "model-AWQ-INT4"),
        (["--method", "awq"], "model-AWQ-INT4"),
        (["--method", "rtn"], "model-RTN-INT4"),
        (["--format", "compressed-tensors", "--bits", "8"], "model-INT8"),
    ],
)
def test_a_folder_named_after_what_is_in_it(tyllm, told, tmp_path, options, name):
    assert tyllm("quantize", tmp_path / "model", "--no-eval", *options).code == 0
    assert told()["quant_path"] == tmp_path / name


def test_a_person_is_told_of_the_vision_tower_and_of_images(tyllm, told, tmp_path, monkeypatch):
    seen = replace(PLAN, vision_linears={8: 160, 16: 2}, images=12)
    monkeypatch.setattr(FakeModel, "quantize", lambda self, announce, **_: announce(seen))
    plan = tyllm("quantize", tmp_path / "model", "--no-eval").out
    assert "160 of 8 bits, 2 of float16" in plan and "4096 tokens, 12 images among them" in plan


def test_what_a_person_is_told(tyllm, told, tmp_path):
    out = tyllm("quantize", tmp_path / "model").out
    plan, result = out.split("before")
    for words in ("13 of 4 bits, 2 of float16", "4.156 bits", "4096 tokens", "about 1.0 GiB of 1.0 MiB free"):
        assert words in plan
    assert "Warning: The run will need about 1.00 GiB of memory" in plan
    for words in (
        "3.9 KiB",
        "layers.1.up 2.00%, layers.0.up 1.00%",
        "1 linear layer kept at float16 within the budget",
    ):
        assert words in result
    assert "Not compared with the original: There is no tokenizer." in result


def test_what_a_program_is_told(tyllm, told, tmp_path):
    outcome = tyllm("quantize", tmp_path / "model", "--json")
    found = json.loads(outcome.out)
    assert found["plan"]["linears"] == {"4": 13, "16": 2}
    assert (found["original_bytes"], found["bytes"]) == (4000, 2)
    assert found["report"]["linears"][1] == {"name": "layers.1.up", "bits": 4, "weights": 100, "error": 0.02}
    assert found["overrides"] == {"layers.1.up": None}
    assert found["peak_memory"] > 10_000_000
    assert found["not_evaluated"] == "There is no tokenizer."
    assert outcome.err == ""


@pytest.mark.timeout(120)
def test_a_whole_run_with_a_budget_and_a_report(tyllm, tmp_path):
    write_tiny(tmp_path / "model")
    outcome = tyllm(
        *("quantize", tmp_path / "model", tmp_path / "out", "--group-size", 32, "--max-samples", 4, "--max-length", 16),
        *("--format", "compressed-tensors", "--bits-per-weight", 6, "--eval-tokens", 64, "--json"),
        *("--report", tmp_path / "report.json"),
    )
    assert outcome.code == 0, outcome.err
    found = json.loads(outcome.out)
    kept = set(found["overrides"])
    assert kept and set(found["overrides"].values()) == {8}
    bits = {each["name"]: each["bits"] for each in found["report"]["linears"]}
    assert {name for name, count in bits.items() if count == 8} == kept
    stored = Checkpoint.open(tmp_path / "out")
    assert all(stored.info(f"{name}.weight_packed").shape[1] * 4 == inputs_of(stored, name) for name in kept)
    assert 0 <= found["evaluation"]["closeness"]["divergence"]["value"] < 1
    assert json.loads((tmp_path / "report.json").read_text()) == found["report"]
    assert json.loads((tmp_path / "out" / "quantization_report.json").read_text()) == found["report"]


def inputs_of(checkpoint, name):
    return int(checkpoint.read_numpy(f"{name}.weight_shape")[1])
