"""config.json's `quantization_config` in both formats, which can be read again."""

import re

from transformers import AwqConfig

from awq.quant_config import QuantConfig
from awq.run.quantization_config import quantization_config
from hf_checkpoint.quantization_config import refusal

MANUAL = {"zero_point": True, "q_group_size": 128, "w_bit": 4, "version": "GEMM", "lm_head_enable": True}
Q, UP = "model.layers.0.self_attn.q_proj", "model.layers.0.mlp.up_proj"
FLOATS = {"model.embed_tokens.weight": (96, 128), "model.norm.weight": (128,), f"{Q}.bias": (128,)}


def awq(*names, **values):
    return quantization_config(QuantConfig.from_dict(MANUAL | values), {f"{name}.qweight": (1, 1) for name in names})


def compressed(*names, floats=FLOATS, **values):
    config = QuantConfig.from_dict(MANUAL | {"format": "compressed-tensors"} | values)
    return quantization_config(config, {f"{name}.weight_packed": (1, 1) for name in names} | floats)


def test_awq():
    assert awq(Q, "lm_head") == {
        "quant_method": "awq",
        "bits": 4,
        "group_size": 128,
        "zero_point": True,
        "version": "gemm",
        "modules_to_not_convert": None,
        "lm_head": True,
    }


def test_transformers_understands_awq():
    read = AwqConfig.from_dict(awq(Q))
    assert (read.bits, read.group_size, read.zero_point, read.format) == (4, 128, True, "gemm")


def test_a_float_head_is_not_mentioned_in_awq():
    assert "lm_head" not in awq(Q)


def test_symmetric_awq_still_has_zero_points():
    assert awq(Q, zero_point=False)["zero_point"] is True


def test_awq_names_what_stays_float():
    found = awq(Q, overrides={UP: None}, modules_to_not_convert=["gate"])
    assert found["modules_to_not_convert"] == ["gate", UP]


def test_awq_names_routers_and_other_float_matrices_of_layers():
    gate, shared = "model.layers.0.mlp.gate", "model.layers.0.mlp.shared_expert_gate"
    tensors = {f"{Q}.qweight": (1, 1), f"{gate}.weight": (8, 4), f"{shared}.weight": (1, 4)}
    tensors |= {"model.embed_tokens.weight": (9, 4), "model.layers.0.input_layernorm.weight": (4,)}
    found = quantization_config(QuantConfig.from_dict(MANUAL), tensors)
    assert found["modules_to_not_convert"] == [gate, shared]
    by_hand = QuantConfig.from_dict(MANUAL | {"modules_to_not_convert": ["mlp.gate"]})
    assert quantization_config(by_hand, tensors)["modules_to_not_convert"] == ["mlp.gate", shared]


def test_compressed_tensors():
    assert compressed(Q, UP, "lm_head") == {
        "quant_method": "compressed-tensors",
        "format": "pack-quantized",
        "quantization_status": "compressed",
        "global_compression_ratio": None,
        "kv_cache_scheme": None,
        "ignore": ["model.embed_tokens"],
        "config_groups": {
            "group_0": {
                "targets": ["Linear", "lm_head"],
                "weights": {
                    "num_bits": 4,
                    "type": "int",
                    "symmetric": False,
                    "strategy": "group",
                    "group_size": 128,
                    "dynamic": False,
                    "actorder": None,
                    "block_structure": None,
                    "observer": "minmax",
                    "observer_kwargs": {},
                },
                "input_activations": None,
                "output_activations": None,
                "format": "pack-quantized",
            }
        },
    }


def test_compressed_tensors_ignores_what_is_float_and_a_tied_head():
    found = compressed(Q, floats=FLOATS | {f"{UP}.weight": (192, 128)})
    assert found["ignore"] == ["model.embed_tokens", UP, "lm_head"]
    assert found["config_groups"]["group_0"]["targets"] == ["Linear"]
    assert compressed(Q, floats={"lm_head.weight": (96, 128)})["ignore"] == ["lm_head"]


def test_compressed_tensors_of_whole_rows_is_by_channel():
    weights = compressed(Q, q_group_size=-1, zero_point=False)["config_groups"]["group_0"]["weights"]
    assert (weights["strategy"], weights["group_size"], weights["symmetric"]) == ("channel", None, True)


def test_mixed_bits_name_every_module():
    groups = compressed(Q, UP, "lm_head", overrides={UP: 8})["config_groups"]
    assert [(g["weights"]["num_bits"], g["targets"]) for g in groups.values()] == [(4, [Q, "lm_head"]), (8, [UP])]


TOWER = {"visual.blocks.0.mlp.up_proj.weight": (84, 64), "visual.patch_embed.proj.weight": (64, 3, 2, 14, 14)}


def test_a_float_tower_goes_by_one_name():
    names = {f"{Q}.qweight": (1, 1), f"{UP}.weight": (1, 1)} | TOWER
    found = quantization_config(QuantConfig(overrides={UP: None}), names)
    assert found["modules_to_not_convert"] == ["visual", "model.visual", UP.removeprefix("model.")]
    found = compressed(Q, "lm_head", floats=FLOATS | TOWER)
    assert found["ignore"] == ["re:.*visual.*", r"re:.*embed_tokens$"]
    assert found["config_groups"]["group_0"]["targets"] == ["Linear", "re:.*lm_head$"]


def test_an_8_bit_tower_has_groups_of_its_own():
    by_rows, by_groups = "visual.blocks.0.mlp.down_proj", "visual.merger.mlp.0"
    scales = {f"{by_rows}.weight_scale": (64, 1), f"{by_groups}.weight_scale": (64, 4)}
    found = compressed(Q, "lm_head", by_rows, by_groups, floats=scales | TOWER, vision_bits=8)
    assert [
        (g["weights"]["num_bits"], g["weights"]["strategy"], g["weights"]["symmetric"], len(g["targets"]))
        for g in found["config_groups"].values()
    ] == [(4, "group", False, 2), (8, "channel", True, 1), (8, "group", True, 1)]
    assert found["ignore"] == [r"re:.*visual\.blocks\.0\.mlp\.up_proj$"]
    target = found["config_groups"]["group_0"]["targets"][0].removeprefix("re:")
    for name in (Q, Q.replace("model.", "model.language_model."), Q.replace("model.", "language_model.model.")):
        assert re.match(target, name)
    assert not re.match(target, Q.replace("layers.0", "layers.10"))


def test_what_is_written_can_be_read():
    assert refusal(awq(Q)) is None and refusal(compressed(Q)) is None
