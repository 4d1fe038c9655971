"""The original toolchain's switch sets an option of ours."""

import pytest

from tyllm import torch_edgex
from tyllm_base.errors import SettingError


def test_trace_only_mode():
    for is_on in (True, False):
        torch_edgex.edgex_module.set_trace_only_mode(is_on)
        assert torch_edgex.current().trace_only is is_on


def test_neither_true_nor_false():
    with pytest.raises(SettingError, match="trace_only is 1; give True or False"):
        torch_edgex.edgex_module.set_trace_only_mode(1)
