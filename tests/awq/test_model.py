"""Where the work waits: beside the output, where the user says, or in a temporary folder."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from tests.hostile_tokenizers import replacing, whole

from awq import AutoAWQForCausalLM
from tyllm_base.errors import CheckpointError, OutputError

RTN: dict[str, Any] = {"quant_config": {"q_group_size": 32}, "method": "rtn"}


@pytest.fixture
def model(checkpoint):
    return AutoAWQForCausalLM.from_pretrained(checkpoint("llama"))


def test_a_temporary_folder_goes_with_the_result(model, tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    model.quantize(**RTN)
    assert model.is_quantized and len(list(tmp_path.glob("awq-*/[lr]*.part"))) == 3
    model.save_quantized(tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
    with pytest.raises(OutputError, match="nothing to save"):
        model.save_quantized(tmp_path / "again")


def test_a_folder_that_holds_something_costs_no_work(model, checkpoint, tmp_path, monkeypatch):
    """AutoAWQ's order of calls: hours of quantize, then the folder turns out to be somebody's."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "tmp"))
    (tmp_path / "tmp").mkdir()
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "letter").touch()
    model.quantize(**RTN)
    with pytest.raises(OutputError, match=r"mine exists already; .* The finished work is kept in .*awq-") as refused:
        model.save_quantized(tmp_path / "mine")
    (work,) = (tmp_path / "tmp").iterdir()
    assert f"quantize again with work_dir='{work}'" in str(refused.value)
    again = AutoAWQForCausalLM.from_pretrained(checkpoint("llama"))
    before = (work / "rest.part").stat()
    again.quantize(**RTN, work_dir=work)
    assert (work / "rest.part").stat() == before
    (tmp_path / "empty").mkdir()
    again.save_quantized(tmp_path / "empty")
    assert (tmp_path / "empty" / "config.json").exists() and not list((tmp_path / "tmp").iterdir())
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["letter"]


def test_a_second_run_is_refused_until_the_first_is_saved_or_gone(model, checkpoint, tmp_path):
    other = AutoAWQForCausalLM.from_pretrained(checkpoint("llama"))
    model.quantize(**RTN, quant_path=tmp_path / "out")
    for options in ({"quant_path": tmp_path / "out"}, {"work_dir": tmp_path / "out.partial"}):
        with pytest.raises(OutputError, match="nother run"):
            other.quantize(quant_config={"q_group_size": 64}, method="rtn", **options)
    model.save_quantized(tmp_path / "out")
    config = json.loads((tmp_path / "out" / "config.json").read_text())["quantization_config"]
    assert config["group_size"] == 32 and [path.name for path in tmp_path.iterdir()] == ["out"]
    other.quantize(**RTN, quant_path=tmp_path / "two")
    assert (tmp_path / ".two.tyllm.lock").exists()
    del other
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out", "two.partial"]


def test_a_folder_of_the_users_choice(model, tmp_path):
    model.quantize(**RTN, work_dir=tmp_path / "work")
    assert len(list((tmp_path / "work").glob("[lr]*.part"))) == 3
    model.save_quantized(tmp_path / "out", shard_size="100KB")
    assert len(list((tmp_path / "out").glob("*.safetensors"))) > 1
    assert not (tmp_path / "work").exists()


def test_a_tokenizer_is_tried_before_the_work(checkpoint, tmp_path):
    folder = shutil.copytree(checkpoint("llama"), tmp_path / "checkpoint")
    (folder / "tokenizer.json").write_text(json.dumps(whole(normalizer=replacing("a", "a" * 10_000))))
    model = AutoAWQForCausalLM.from_pretrained(folder)
    with pytest.raises(
        CheckpointError, match=r"tokenizer\.json is no tokenizer that can be used: it makes 10,094 tokens"
    ):
        model.quantize(**RTN, quant_path=tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint"]


def test_a_read_only_place(model, tmp_path, monkeypatch):
    def refuse(*_, **__):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "mkdir", refuse)  # tests may run as root, whom no file mode stops
    with pytest.raises(OutputError, match="permission is denied"):
        model.quantize(**RTN, quant_path=tmp_path / "sub" / "out")
