"""Which `quantization_config` can be read, and whether AWQ's group size is that of the tensors."""

import pytest

from hf_checkpoint.packed_rows import PackedShape
from hf_checkpoint.quantization_config import check_group_size, refusal
from tyllm_base.errors import CheckpointError

AWQ = {"quant_method": "awq", "bits": 4, "group_size": 64, "version": "gemm"}
COMPRESSED = {
    "quant_method": "compressed-tensors",
    "format": "pack-quantized",
    "config_groups": {"group_0": {"targets": ["Linear"], "weights": {"num_bits": 4}, "input_activations": None}},
}
SHAPES = {"up.weight": PackedShape(8, 128, 64, 4)}


def test_what_can_be_read():
    assert refusal(AWQ) is None and refusal(COMPRESSED) is None
    assert refusal({"quant_method": "awq", "w_bit": 4, "q_group_size": 64, "version": "GEMM"}) is None


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"quant_method": "gptq", "bits": 4}, "as gptq with 4 bits"),
        ({"format": "int-quantized", "config_groups": {"a": {}}}, "as compressed-tensors int-quantized"),
        ({"config_groups": {"a": {"format": "nvfp4-pack-quantized"}}}, "as compressed-tensors nvfp4-pack-quantized"),
        ({"config_groups": {"a": {"input_activations": {}}}}, None),
        ({"config_groups": {"a": {"input_activations": {"num_bits": 8}}}}, "with quantized activations"),
        ({"transform_config": {"R1": {}}}, "with rotations"),
    ],
)
def test_others_are_refused(change, reason):
    found = refusal(COMPRESSED | change)
    assert (found is None) if reason is None else (reason in found)


@pytest.mark.parametrize(("change", "reason"), [({"version": "gemv"}, "as awq gemv with 4"), ({"bits": 8}, "with 8")])
def test_other_packings_of_awq_are_refused(change, reason):
    assert reason in refusal(AWQ | change)


@pytest.mark.parametrize(
    ("config", "sentence"),
    [
        ({"group_size": 32}, r"config\.json says groups of 32, and up\.weight has groups of 64"),
        ({"group_size": -1}, r"says groups of -1, and up\.weight has groups of 64"),
        ({}, r"says groups of 128, and up\.weight has groups of 64"),
        ({"group_size": 0}, "says group_size 0, which is no group size"),
        ({"group_size": "all"}, "says group_size 'all', which is no group size"),
    ],
)
def test_a_group_size_that_is_not_that_of_the_tensors(config, sentence):
    with pytest.raises(CheckpointError, match=sentence):
        check_group_size(config, SHAPES)


@pytest.mark.parametrize("config", [{"group_size": 64}, {"q_group_size": 64}])
def test_the_group_size_of_the_tensors(config):
    check_group_size(config, SHAPES)
    check_group_size({"group_size": -1}, {"up.weight": PackedShape(8, 128, 128, 4)})
