"""The options of `tyllm quantize` offer what the quantizer takes, in groups by what they decide."""

import typing

import pytest
import typer

from awq.quant_config import QuantConfig
from tyllm.cli import quantize_options
from tyllm.cli.quantize_options import AFTER, SEARCHED, STORED, Bits, Format, VisionBits
from tyllm_base.errors import SettingError


def described(name):
    """What typer is told of an option."""
    return typing.get_args(getattr(quantize_options, name))[1]


@pytest.mark.parametrize(
    ("panel", "names"),
    [
        (STORED, "WeightBits VisionWeightBits GroupSize Symmetric FileFormat LmHead Exclude BitsPerWeight"),
        (SEARCHED, "Search Without MaxSamples MaxLength"),
        (AFTER, "Evaluate EvalTokens ReportFile"),
    ],
)
def test_each_option_stands_with_those_that_decide_the_same(panel, names):
    assert {described(name).rich_help_panel for name in names.split()} == {panel}


def test_a_report_has_one_of_the_endings_that_are_written(tmp_path):
    check = described("ReportFile").callback
    assert check(tmp_path / "report.svg") == tmp_path / "report.svg" and check(None) is None
    with pytest.raises(typer.BadParameter, match=r"is no \.json, \.md, \.svg file"):
        check(tmp_path / "report.pdf")


@pytest.mark.parametrize("bits", Bits)
@pytest.mark.parametrize("file_format", Format)
@pytest.mark.parametrize("vision_bits", VisionBits)
def test_every_choice_is_known_to_the_quantizer(bits, file_format, vision_bits):
    """AWQ GEMM holds 4 bits; compressed-tensors holds all of them."""
    config = {"w_bit": int(bits), "format": file_format.value, "vision_bits": int(vision_bits)}
    possible = file_format is Format.COMPRESSED_TENSORS or (bits, vision_bits) == (Bits.FOUR, VisionBits.FLOAT)
    assert accepted(config) == possible


def accepted(config):
    try:
        QuantConfig.from_dict(config)
    except SettingError:
        return False
    return True
