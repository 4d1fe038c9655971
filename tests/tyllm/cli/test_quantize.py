"""`tyllm quantize`: what the quantiser is told, and where the result goes."""

import json

import pytest

import awq


class FakeModel:
    """Writes down what it is told, and a file."""

    told = None

    def quantize(self, **told):
        FakeModel.told = told
        told["progress"](1, 1, "done")

    def save_quantized(self, folder):
        folder.mkdir()
        (folder / "config.json").write_text("{}")


@pytest.fixture
def told(monkeypatch):
    """What the last `quantize` was told."""
    opened = {}

    def from_pretrained(path, **options):
        opened.update(options, path=path)
        return FakeModel()

    monkeypatch.setattr(awq.AutoAWQForCausalLM, "from_pretrained", from_pretrained)
    return lambda: {**opened, **FakeModel.told}


def test_the_defaults(tyllm, told, tmp_path):
    outcome = tyllm("quantize", tmp_path / "model")
    assert outcome.code == 0
    assert "Compile it: tyllm compile" in outcome.out
    assert told()["path"] == tmp_path / "model"
    assert told()["quant_path"] == tmp_path / "model-AWQ-INT4"
    assert (tmp_path / "model-AWQ-INT4" / "config.json").exists()
    config = {"zero_point": True, "q_group_size": 128, "w_bit": 4, "version": "GEMM", "lm_head_enable": True}
    assert told()["quant_config"] == config
    assert told()["method"] == "awq"
    assert told()["trust_remote_code"] is False
    assert told()["calib_data"] is None


def test_every_option(tyllm, told, tmp_path):
    (tmp_path / "text").write_text("words")
    outcome = tyllm(
        *("quantize", tmp_path / "model", tmp_path / "out", "--method", "rtn", "--group-size", 64, "--no-lm-head"),
        *("--calibration", tmp_path / "text", "--max-samples", 3, "--max-length", 5, "--trust-remote-code", "--json"),
    )
    report = json.loads(outcome.out)
    assert (report["checkpoint"], report["method"], report["bytes"]) == (str(tmp_path / "out"), "rtn", 2)
    assert told()["quant_config"]["q_group_size"] == 64
    assert told()["quant_config"]["lm_head_enable"] is False
    assert told()["calib_data"] == tmp_path / "text"
    assert (told()["max_calib_samples"], told()["max_calib_seq_len"]) == (3, 5)
    assert told()["trust_remote_code"] is True
