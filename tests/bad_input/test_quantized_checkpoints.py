"""What a wrong quantized checkpoint gets from `compile`: each row is a way to break it, exit code and sentence."""

import json

import numpy as np
import pytest
from tests.bad_input.broken_folders import OTHER_MODEL, UP, config, tensor, with_value
from tests.bad_input.commands import COMPILE, agrees, fill
from tests.tiny_checkpoint import copy_tiny, edit_json


def quantization(**changes):
    def change(folder):
        found = json.loads((folder / "config.json").read_text())["quantization_config"]
        edit_json(folder / "config.json", quantization_config=found | changes)

    return change


QUANTIZED = {
    "another format": (
        quantization(quant_method="gptq"), 5,
        "The checkpoint is quantized as gptq with 4 bits; only awq gemm with 4 bits and compressed-tensors "
        "pack-quantized can be compiled: quantize the float checkpoint with `tyllm quantize`."),
    "another packing": (
        quantization(version="gemv"), 5, "The checkpoint is quantized as awq gemv with 4 bits; only …."),
    "other bits": (quantization(bits=8), 5, "The checkpoint is quantized as awq gemm with 8 bits; only …."),
    "a group size that does not divide": (
        quantization(group_size=48), 3,
        f"config.json says groups of 48, and … has groups of 32; {OTHER_MODEL}"),
    "a group size that is none": (
        quantization(group_size=0), 3,
        "config.json says group_size 0, which is no group size; download or quantize the model again."),
    "another group size than the weights have": (
        quantization(group_size=64), 3,
        f"config.json says groups of 64, and … has groups of 32; {OTHER_MODEL}"),
    "codes of the wrong type": (
        tensor(f"{UP}.qweight", lambda array: array.astype(np.int64)), 3,
        f"{UP}.qweight is I64 … where the tensors beside it call for I32 …; quantize the model again."),
    "a missing part": (
        tensor(f"{UP}.scales", lambda _: None), 3,
        f"{{checkpoint}} has no tensor {UP}.scales, which its config.json calls for; download the checkpoint again."),
    "NaN in the scales": (
        tensor(f"{UP}.scales", with_value(np.nan)), 3,
        f"A scale of {UP}.weight is NaN or infinite; the checkpoint is damaged, download or convert it again."),
    "no config for the codes": (
        config(quantization_config=None), 3, "{checkpoint} has no tensor …, which its config.json calls for; …."),
}  # fmt: skip


@pytest.mark.parametrize("mistake", QUANTIZED)
def test_a_wrong_quantized_checkpoint(tyllm, checkpoints, tmp_path, mistake):
    breaking, code, sentence = QUANTIZED[mistake]
    folders = {"checkpoint": copy_tiny(checkpoints / "int4", tmp_path / "model"), "output": tmp_path / "out" / "new"}
    breaking(folders["checkpoint"])
    agrees(tyllm(fill(COMPILE, **folders)), code, sentence, **folders)
    assert not folders["output"].exists() and not list(tmp_path.rglob("*.tmp"))
