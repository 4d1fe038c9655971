"""The arguments of `quantize`: AutoAWQ's by position and by name, and our own options by name."""

import inspect

import pytest

from awq.model import AwqModel
from awq.quant_config import QuantConfig
from awq.quantize_arguments import QuantizeArguments, QuantizeOptions
from tyllm_base.errors import SettingError

AUTOAWQ = [  # the arguments of AutoAWQ 0.2.9's `quantize` in its order
    *("tokenizer", "quant_config", "calib_data", "split", "text_column", "duo_scaling"),
    *("export_compatible", "apply_clip", "n_parallel_calib_samples"),
    *("max_calib_samples", "max_calib_seq_len", "max_chunk_memory"),
]


def arguments(**changes):
    return QuantizeArguments(**dict.fromkeys(AUTOAWQ) | {"apply_clip": True, "export_compatible": False} | changes)


def test_autoawqs_arguments_keep_their_order():
    assert list(inspect.signature(AwqModel.quantize).parameters)[1:] == [*AUTOAWQ, "options"]


def test_every_option_is_an_argument_with_a_default():
    assert list(QuantizeArguments.__dataclass_fields__) == [*AUTOAWQ, *QuantizeOptions.__annotations__]
    arguments().check()


def test_arguments_arrive_by_position_and_by_name(checkpoint, monkeypatch):
    import awq

    seen = []

    def stop(self):
        seen.append(self)
        raise SettingError("seen")

    monkeypatch.setattr(QuantizeArguments, "check", stop)
    model = awq.AutoAWQForCausalLM.from_pretrained(checkpoint("llama"))
    given = [object(), {"w_bit": 4}, ["a"], "test", "words", False, False, False, 1, 2, 3, 4]
    by_name = dict(zip(AUTOAWQ, given, strict=True))
    with pytest.raises(SettingError, match="seen"):
        model.quantize(*given, method="awq")
    with pytest.raises(SettingError, match="seen"):
        model.quantize(**by_name, method="awq")
    assert seen == [arguments(**by_name, method="awq")] * 2


def test_an_unknown_option_is_refused(checkpoint):
    import awq

    with pytest.raises(SettingError, match="luck"):
        awq.AutoAWQForCausalLM.from_pretrained(checkpoint("llama")).quantize(luck=1)


def test_the_format_is_a_setting_too():
    assert arguments(format="compressed-tensors").config() == QuantConfig(format="compressed-tensors")
    assert arguments(quant_config={"format": "compressed-tensors"}).config().format == "compressed-tensors"


def test_what_is_left_out():
    assert arguments(without=("scale",), apply_clip=False).parts() == {"rounding", "propagation"}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"export_compatible": True}, "export_compatible is True"),
        ({"quant_config": {"w_bit": 3}}, "w_bit is 3 bits"),
        ({"method": "best"}, "method is 'best'"),
        ({"without": ("luck",)}, "without has 'luck'"),
        ({"bits_per_weight": 4.5, "method": "rtn"}, "bits_per_weight needs the method"),
        ({"max_search_tokens": -1}, "max_search_tokens is -1"),
    ],
)
def test_what_cannot_work_whatever_the_checkpoint(changes, words):
    with pytest.raises(SettingError, match=words):
        arguments(**changes).check()
