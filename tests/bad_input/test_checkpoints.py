"""What a wrong checkpoint gets from `compile` and `quantize`: each row is a way to break it, exit code and sentence."""

import json
import shutil

import numpy as np
import pytest
from tests.bad_input.broken_folders import NORM, OTHER_MODEL, TABLE, UP, config, empty, tensor, with_value
from tests.bad_input.commands import COMPILE, QUANTIZE, agrees, fill
from tests.tiny_checkpoint import FILE, copy_tiny, edit_json, shard

INDEX = "model.safetensors.index.json"
CANNOT_BUILD = "transformers cannot build … as a causal language model (…); correct config.json or give another model."


def text_as_config(folder):
    (folder / "config.json").write_text("{")


def no_weights(folder):
    (folder / FILE).unlink()


def truncated(folder):
    data = (folder / FILE).read_bytes()
    (folder / FILE).write_bytes(data[:-100])


def missing_shard(folder):
    (folder / shard(folder)[1]).unlink()


def truncated_shard(folder):
    path = folder / shard(folder)[1]
    path.write_bytes(path.read_bytes()[:-100])


def extra_shard(folder):
    shutil.copyfile(folder / shard(folder)[0], folder / "model-00099-of-00099.safetensors")


def missing_index(folder):
    shard(folder)
    (folder / INDEX).unlink()


def index_outside(folder):
    shard(folder)
    names = json.loads((folder / INDEX).read_text())["weight_map"]
    edit_json(folder / INDEX, weight_map=names | {NORM: "../secret.safetensors"})


CHECKPOINTS = {
    "a folder that is no checkpoint": (
        empty, 3, "{checkpoint}/config.json is missing; give the folder of a complete Hugging Face checkpoint."),
    "no folder": (shutil.rmtree, 3, "{checkpoint} is not a folder; give the folder that holds config.json."),
    "a config that is no JSON": (
        text_as_config, 3, "{checkpoint}/config.json is not valid JSON (…); download it again."),
    "no weights": (
        no_weights, 3,
        f"{{checkpoint}} has neither {FILE} nor {INDEX}; convert other weight files to safetensors first."),
    "a truncated file": (
        truncated, 3, f"{{checkpoint}}/{FILE} is truncated: … bytes instead of …; download it again."),
    "a missing shard": (
        missing_shard, 3, f"{{checkpoint}} lacks the shard model-00002-of-…, which {INDEX} names; download it."),
    "a truncated shard": (
        truncated_shard, 3, "{checkpoint}/model-00002-of-… is truncated: … bytes instead of …; download it again."),
    "an extra shard": (
        extra_shard, 3,
        f"{{checkpoint}} has the extra shard model-00099-of-00099.safetensors, which {INDEX} does not name; "
        "remove it or download the checkpoint again."),
    "a missing index": (
        missing_index, 3, f"{{checkpoint}} has safetensors shards but no {INDEX}; download the index too."),
    "an index that points outside": (
        index_outside, 3,
        f"{{checkpoint}}/{INDEX} puts '{NORM}' into '../secret.safetensors', which is no file of this folder; "
        "download the index again."),
    "a missing tensor": (
        tensor(NORM, lambda _: None), 3,
        f"{{checkpoint}} has no tensor {NORM}, which its config.json calls for; download the checkpoint again."),
    "an extra tensor": (
        tensor("extra", lambda _: np.zeros(1, np.float16)), 3,
        f"{{checkpoint}} has the tensor extra, for which config.json has no place; {OTHER_MODEL}"),
    "a tensor of the wrong shape": (
        tensor(NORM, lambda array: array[:64]), 3,
        f"{NORM} has shape [64] where config.json calls for [128]; {OTHER_MODEL}"),
    "a tensor of the wrong type": (tensor(NORM, lambda array: array.astype(np.int64)), 3, f"{NORM} has …type I64…."),
    "NaN in a linear layer": (
        tensor(f"{UP}.weight", with_value(np.nan)), 3, f"{UP}.weight holds NaN…; the checkpoint is damaged, …."),
    "an infinity in a norm": (tensor(NORM, with_value(np.inf)), 3, f"{NORM} holds …infinite value…damaged, …."),
    "a value beyond float16": (
        tensor(f"{UP}.weight", with_value(1e6, np.float32)), 3, f"{UP}.weight holds 1e+06, …65504; …."),
    "a config of another width": (
        config(hidden_size=256), 3, f"… has shape […] where config.json calls for […]; {OTHER_MODEL}"),
    "a config of more layers": (
        config(num_hidden_layers=3), 3,
        "{checkpoint} has no tensor model.layers.2.…, which its config.json calls for; download the checkpoint again."),
    "a config of fewer layers": (
        config(num_hidden_layers=1), 3,
        f"{{checkpoint}} has the tensor model.layers.1.…, for which config.json has no place; {OTHER_MODEL}"),
    "a config of another vocabulary": (
        config(vocab_size=400), 3,
        f"{TABLE} has shape [320, 128] where config.json calls for [400, 128]; {OTHER_MODEL}"),
    "a config that unties the head": (
        config(tie_word_embeddings=False), 3,
        "{checkpoint} has no tensor lm_head.weight, which its config.json calls for; download the checkpoint again."),
    "a config with heads that do not divide": (
        config(num_attention_heads=3), 3, f"… has shape […] where config.json calls for […]; {OTHER_MODEL}"),
    "a config with no width": (
        config(hidden_size=-128), 3,
        "{checkpoint}/config.json says hidden_size = -128, which must be a whole number from 1 to 16,777,216; "
        "correct it or download the checkpoint again."),
    "a config with words for numbers": (
        config(hidden_size="wide"), 3,
        "{checkpoint}/config.json says hidden_size = 'wide', which must be a whole number from 1 to 16,777,216; "
        "correct it or download the checkpoint again."),
    "a model that nobody knows": (config(model_type="mystery"), 5, CANNOT_BUILD),
    "a config that asks for code of its own": (
        config(auto_map={"AutoModelForCausalLM": "modeling.Own"}), 3,
        "{checkpoint}/config.json asks to run Python code of its own (auto_map); "
        "read that code and pass trust_remote_code=True if you trust it."),
}  # fmt: skip


@pytest.mark.parametrize("command", [COMPILE, QUANTIZE], ids=lambda command: command[0])
@pytest.mark.parametrize("mistake", CHECKPOINTS)
def test_a_wrong_checkpoint(tyllm, checkpoints, tmp_path, command, mistake):
    breaking, code, sentence = CHECKPOINTS[mistake]
    folders = {"checkpoint": copy_tiny(checkpoints / "float16", tmp_path / "model"), "output": tmp_path / "out" / "new"}
    breaking(folders["checkpoint"])
    agrees(tyllm(fill(command, **folders)), code, sentence, **folders)
    assert not folders["output"].exists()
    if command is COMPILE:  # `quantize` may leave its finished layers in OUTPUT.partial, to go on from
        assert [path.name for path in tmp_path.rglob("*.tmp")] == []
