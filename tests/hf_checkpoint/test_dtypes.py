"""The table of number types."""

import ml_dtypes
import numpy as np
import pytest
from safetensors.numpy import save_file

from hf_checkpoint.dtypes import DTYPES, FLOATS, FLOATS_IN_FLOAT32, NAMES
from hf_checkpoint.safetensors_file import read_header


@pytest.mark.parametrize("name", DTYPES)
def test_safetensors_gives_each_type_the_same_name(name, tmp_path):
    save_file({"x": np.zeros(2, DTYPES[name])}, tmp_path / "x.safetensors")
    assert read_header(tmp_path / "x.safetensors")["x"].dtype == name


def test_names_are_the_inverse():
    assert [NAMES[DTYPES[name]] for name in DTYPES] == list(DTYPES)


@pytest.mark.parametrize("name", FLOATS)
def test_floats_that_float32_holds(name):
    largest = ml_dtypes.finfo(DTYPES[name]).max
    with np.errstate(over="ignore"):
        assert (np.float32(largest) == largest) == (name in FLOATS_IN_FLOAT32)
