"""Checkpoint folders: what is read, and the sentence for each way that a folder can be wrong."""

import json
import os
import subprocess
import sys

import ml_dtypes
import numpy as np
import pytest
from safetensors.numpy import save_file

from hf_checkpoint.checkpoint import INDEX, SINGLE, Checkpoint
from tyllm_base.errors import CheckpointError, UntrustedCodeError

FIRST, SECOND = "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"


@pytest.fixture
def single(tmp_path):
    (tmp_path / "config.json").write_text('{"model_type": "llama"}')
    save_file({"a": np.ones((2, 2), np.float16), "b": np.full(3, 2, ml_dtypes.bfloat16)}, tmp_path / SINGLE)
    return tmp_path


@pytest.fixture
def sharded(tmp_path):
    (tmp_path / "config.json").write_text('{"model_type": "llama"}')
    save_file({"a": np.ones(2, np.float16)}, tmp_path / FIRST)
    save_file({"b": np.full(3, 2, np.float32)}, tmp_path / SECOND)
    write_index(tmp_path, {"a": FIRST, "b": SECOND})
    return tmp_path


def write_index(folder, weight_map):
    (folder / INDEX).write_text(json.dumps({"weight_map": weight_map}))


def refused(folder, message, error=CheckpointError):
    with pytest.raises(error, match=message) as caught:
        Checkpoint.open(folder)
    assert caught.value.exit_code == 3
    assert str(caught.value).count("\n") == 0


def test_reads_single_file(single):
    checkpoint = Checkpoint.open(single)
    assert sorted(checkpoint) == ["a", "b"] and "a" in checkpoint
    assert checkpoint.info("b").dtype == "BF16" and checkpoint.info("b").shape == (3,)
    assert checkpoint.read_numpy("b").astype(np.float32).tolist() == [2, 2, 2]
    assert checkpoint.read_torch("b").tolist() == [2, 2, 2]
    assert checkpoint.quantization is None


def test_reads_shards(sharded):
    checkpoint = Checkpoint.open(sharded)
    assert checkpoint.read_numpy("b").tolist() == [2, 2, 2]
    with pytest.raises(CheckpointError, match="has no tensor c"):
        checkpoint.read_numpy("c")


def test_imports_neither_torch_nor_transformers():
    modules = "hf_checkpoint.checkpoint, hf_checkpoint.awq_gemm"
    code = f"import sys, {modules}; print({{'torch', 'transformers'}} & set(sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "set()\n"


def test_no_folder(tmp_path):
    refused(tmp_path / "nowhere", "is not a folder")


def test_config_missing(single):
    (single / "config.json").unlink()
    refused(single, r"config\.json is missing")


@pytest.mark.parametrize(
    ("text", "message"),
    [("{", "is not valid JSON"), ("[]", "holds a JSON list"), ("{}", "names no model_type")],
)
def test_config_wrong(single, text, message):
    (single / "config.json").write_text(text)
    refused(single, message)


def test_remote_code_is_refused_unless_allowed(single):
    (single / "config.json").write_text('{"model_type": "x", "auto_map": {"AutoConfig": "code.X"}}')
    refused(single, "trust_remote_code=True", UntrustedCodeError)
    assert Checkpoint.open(single, trust_remote_code=True).config["model_type"] == "x"


def test_weights_missing(single):
    (single / SINGLE).unlink()
    refused(single, f"neither {SINGLE} nor {INDEX}")


def test_index_missing(sharded):
    (sharded / INDEX).unlink()
    refused(sharded, f"shards but no {INDEX}")


def test_index_without_map(sharded):
    (sharded / INDEX).write_text("{}")
    refused(sharded, "has no weight_map")


@pytest.mark.parametrize("place", ["../model.safetensors", "/etc/passwd", "..", "", 5])
def test_index_outside_the_folder(sharded, place):
    write_index(sharded, {"a": FIRST, "b": place})
    refused(sharded, "no file of this folder|extra shard")


def test_shard_missing(sharded):
    (sharded / SECOND).unlink()
    refused(sharded, f"lacks the shard {SECOND}")


def test_shard_truncated(sharded):
    content = (sharded / SECOND).read_bytes()
    (sharded / SECOND).write_bytes(content[:-1])
    refused(sharded, "is truncated")


def test_shard_extra(sharded, single):
    refused(single, "has the extra shard model-0000")


def test_shard_not_in_the_index(sharded):
    write_index(sharded, {"a": FIRST})
    refused(sharded, f"extra shard {SECOND}")


def test_tensor_in_two_shards(sharded):
    save_file({"a": np.ones(2, np.float16), "b": np.ones(3, np.float32)}, sharded / SECOND)
    refused(sharded, f"holds a, which {INDEX} puts into {FIRST}")


def test_tensor_not_in_its_shard(sharded):
    write_index(sharded, {"a": FIRST, "b": SECOND, "c": SECOND})
    refused(sharded, "lacks c")


@pytest.mark.parametrize("name", ["tokenizer.model", "special_tokens_map.json", "generation_config.json"])
def test_no_library_is_left_to_wait_at_a_pipe(single, name):
    (single / name).symlink_to("nowhere")
    Checkpoint.open(single)
    (single / name).unlink()
    os.mkfifo(single / name)
    with pytest.raises(CheckpointError, match=f"{name} is a named pipe and not a file; remove it"):
        Checkpoint.open(single)


def test_a_package_in_the_place_of_a_checkpoint(tmp_path):
    (tmp_path / "config.json").write_text('{"model_type": "qwen2"}')
    for name in ("manifest.json", "buffer_config.json"):
        (tmp_path / name).touch()
    with pytest.raises(CheckpointError, match="is a compiled package; give the checkpoint that"):
        Checkpoint.open(tmp_path)
