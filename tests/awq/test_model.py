"""Where the work waits: beside the output, where the user says, or in a temporary folder."""

import json
import shutil
from pathlib import Path

import pytest
from tests.hostile_tokenizers import replacing, whole

from awq import AutoAWQForCausalLM
from tyllm_base.errors import CheckpointError, OutputError

RTN = {"quant_config": {"q_group_size": 32}, "method": "rtn"}


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
