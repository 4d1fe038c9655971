"""The output: shards within their limit, configs, auxiliary files, and one rename."""

import errno
import json
from pathlib import Path

import numpy as np
import pytest

from awq.quant_config import QuantConfig
from awq.run import output_folder
from awq.run.output_folder import bytes_of, quantized_config
from hf_checkpoint.checkpoint import INDEX, SINGLE, Checkpoint
from hf_checkpoint.safetensors_file import write_safetensors
from tyllm_base.errors import CheckpointError, OutputError, SettingError
from tyllm_base.output_place import OutputPlace


@pytest.fixture
def source(tmp_path):
    folder = tmp_path / "source"
    folder.mkdir()
    (folder / "config.json").write_text(
        '{"model_type": "llama", "torch_dtype": "bfloat16", "tie_word_embeddings": true}'
    )
    (folder / "tokenizer.json").write_text("{}")
    (folder / "chat_template.jinja").write_text("hi")
    write_safetensors(folder / SINGLE, {"a": np.zeros(2, np.float16)})
    return Checkpoint.open(folder)


@pytest.fixture
def parts(tmp_path):
    for index in range(3):
        write_safetensors(tmp_path / f"{index}.part", {f"t{index}": np.full(50, index, np.float16)})
    return [tmp_path / f"{index}.part" for index in range(3)]


def write_output(folder, *arguments, **options):
    with OutputPlace.take(folder) as place:
        output_folder.write_output(place, *arguments, **options)


def test_one_file_when_it_fits(tmp_path, source, parts):
    write_output(tmp_path / "out", parts, source, QuantConfig(), "5GB")
    found = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert found == ["chat_template.jinja", "config.json", SINGLE, "tokenizer.json"]
    assert sorted(Checkpoint.open(tmp_path / "out")) == ["t0", "t1", "t2"]
    assert not list(tmp_path.glob(".out*"))


def test_shards_stay_within_the_limit(tmp_path, source, parts):
    write_output(tmp_path / "out", parts, source, QuantConfig(), 210)
    opened = Checkpoint.open(tmp_path / "out")
    assert [opened.read_numpy(f"t{i}")[0] for i in range(3)] == [0, 1, 2]
    assert json.loads((tmp_path / "out" / INDEX).read_text())["metadata"] == {"total_size": 300}
    assert len(list((tmp_path / "out").glob("model-*-of-00002.safetensors"))) == 2


def test_what_others_put_in_the_place_meanwhile_stays(tmp_path, source, parts, monkeypatch):
    def put_theirs(*_):
        (tmp_path / "out").mkdir()
        (tmp_path / "out" / "theirs").touch()

    monkeypatch.setattr("awq.run.output_folder.copy_auxiliary_files", put_theirs)
    with pytest.raises(OutputError, match="put there meanwhile, and stays"):
        write_output(tmp_path / "out", parts, source, QuantConfig(), "5GB")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["theirs"]


@pytest.mark.parametrize(("file_format", "field"), [("awq", "qweight"), ("compressed-tensors", "weight_packed")])
def test_config_says_float16_and_a_head_of_its_own(source, file_format, field):
    config = QuantConfig(format=file_format)
    made = quantized_config(source.config, config, {f"lm_head.{field}": (1, 1)})
    assert made["torch_dtype"] == "float16" and made["tie_word_embeddings"] is False
    assert made["quantization_config"]["quant_method"] == file_format
    made = quantized_config(source.config, config, {f"model.layers.0.q_proj.{field}": (1, 1)})
    assert made["tie_word_embeddings"] is True


def test_parts_of_a_nested_config_agree(source):
    text = {"tie_word_embeddings": True, "torch_dtype": "bfloat16", "hidden_size": 8}
    nested = {"model_type": "qwen2_5_vl", "dtype": "bfloat16", "text_config": text, "vision_config": {"depth": 2}}
    made = quantized_config(nested, QuantConfig(), {"lm_head.qweight": (1, 1)})
    assert made["text_config"] == {"tie_word_embeddings": False, "torch_dtype": "float16", "hidden_size": 8}
    assert made["vision_config"] == {"depth": 2} and made["tie_word_embeddings"] is False


def test_an_empty_folder_is_used_and_any_other_refused(tmp_path, source, parts):
    (tmp_path / "out").mkdir()
    write_output(tmp_path / "out", parts, source, QuantConfig(), "5GB")
    assert sorted(Checkpoint.open(tmp_path / "out")) == ["t0", "t1", "t2"]
    with pytest.raises(OutputError, match="exists already"):
        write_output(tmp_path / "out", parts, source, QuantConfig(), "5GB")


def test_a_failure_leaves_nothing(tmp_path, source, parts):
    (tmp_path / "2.part").write_bytes(b"damaged!")
    with pytest.raises(Exception, match="truncated"):
        write_output(tmp_path / "out", parts, source, QuantConfig(), "5GB")
    assert not list(tmp_path.glob("*out*"))


def test_all_is_written_when_it_is_ready(tmp_path, source, parts):
    seen = []
    write_output(
        tmp_path / "out",
        parts,
        source,
        QuantConfig(),
        "5GB",
        {"a.json": 1},
        lambda file: seen.append((sorted(path.name for path in file.parent.iterdir()), file.stat().st_ino)),
    )
    names, inode = seen[0]
    assert names == sorted(path.name for path in (tmp_path / "out").iterdir()) and "a.json" in names
    assert (tmp_path / "out" / "config.json").stat().st_ino == inode


def test_what_cannot_be_read_is_not_said_to_be_unwritable(tmp_path, source, parts, monkeypatch):
    def refuse(path):
        raise PermissionError(errno.EACCES, "denied", str(path))

    monkeypatch.setattr(Path, "read_bytes", refuse)
    with pytest.raises(CheckpointError, match=r"source/.*permission is denied"):
        write_output(tmp_path / "out", parts, source, QuantConfig(), "5GB")


def test_sizes():
    assert [bytes_of(size) for size in ("5GB", "1.5 kb", "2MiB", 7)] == [5 * 10**9, 1500, 2 << 20, 7]
    for wrong in ("much", "0GB", "5 parsecs", "9" * 400, "5³GB"):
        with pytest.raises(SettingError, match="no size"):
            bytes_of(wrong)
