"""Every quantizer has a driver and an environment."""

from baselines.harness.environments import REQUIREMENTS
from baselines.quantization.quantizers import QUANTIZERS


def test_every_quantizer_has_a_driver_and_an_environment():
    assert len({quantizer.name for quantizer in QUANTIZERS}) == len(QUANTIZERS)
    assert all(quantizer.command()[-1].is_file() for quantizer in QUANTIZERS)
    assert {quantizer.environment for quantizer in QUANTIZERS if not quantizer.is_ours} <= set(REQUIREMENTS)


def test_warnings_are_left_out():
    assert all(quantizer.command()[1:3] == ["-W", "ignore"] for quantizer in QUANTIZERS)
