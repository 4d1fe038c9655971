"""Settings: AutoAWQ's dictionary and more, and a sentence for each that cannot work."""

import pytest

from awq.method.rounding import Scheme
from awq.quant_config import QuantConfig
from tyllm_base.errors import SettingError

MANUAL = {"zero_point": True, "q_group_size": 128, "w_bit": 4, "version": "GEMM", "lm_head_enable": True}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"w_bit": 3}, "w_bit is 3"),
        ({"w_bit": 8}, r"w_bit is 8 bits, but the AWQ GEMM format holds 4.*compressed-tensors"),
        ({"overrides": {"a.up": 8}}, "The override of a.up is 8 bits, but the AWQ GEMM"),
        ({"overrides": {"a.up": 5}}, "The override of a.up is 5 bits; use 4 or 8"),
        ({"format": "gguf"}, "format is 'gguf'; use 'awq' or 'compressed-tensors'"),
        ({"version": "GEMV"}, "version is 'gemv'"),
        ({"zero_point": 1}, "zero_point is 1"),
        ({"q_group_size": 100}, "q_group_size is 100"),
        ({"group_size": 128}, "no setting 'group_size'"),
    ],
)
def test_what_cannot_work_is_refused(change, message):
    with pytest.raises(SettingError, match=message) as caught:
        QuantConfig.from_dict(MANUAL | change)
    assert caught.value.exit_code == 4


def test_group_size_must_divide_the_inputs():
    config = QuantConfig.from_dict(MANUAL)
    assert config.scheme("up", 16, 256) == Scheme(4, 128)
    assert QuantConfig.from_dict(MANUAL | {"q_group_size": -1}).scheme("up", 16, 200).group_size == 200
    with pytest.raises(SettingError, match="128 does not divide the 192 inputs of up; use 64 or 32 or -1"):
        config.scheme("up", 16, 192)


def test_eight_must_divide_the_outputs():
    with pytest.raises(SettingError, match=r"lm_head has 1003 outputs.*set lm_head_enable to False"):
        QuantConfig.from_dict(MANUAL).scheme("lm_head", 1003, 128)


def test_modules_are_skipped_by_part_of_their_name():
    config = QuantConfig.from_dict({"modules_to_not_convert": ["layers.0.", "o_proj"]})
    assert config.skips("model.layers.0.mlp.up_proj") and config.skips("model.layers.1.self_attn.o_proj")
    assert not config.skips("model.layers.1.mlp.up_proj")


def test_compressed_tensors_holds_more():
    config = QuantConfig.from_dict({"w_bit": 8, "zero_point": False, "q_group_size": 32}, format="compressed-tensors")
    assert config.scheme("lm_head", 1003, 128) == Scheme(8, 32, symmetric=True)


def test_exceptions_by_module():
    config = QuantConfig.from_dict({"overrides": {"a.up": 8, "a.down": None}, "format": "compressed-tensors"})
    assert config.scheme("a.up", 16, 128) == Scheme(8, 128) and config.scheme("a.q", 16, 128) == Scheme(4, 128)
    assert config.skips("a.down") and not config.skips("a.up")
