"""Float16 conversion names the tensor and the value that do not fit."""

import ml_dtypes
import numpy as np
import pytest

from hf_checkpoint.finite_check import as_float16, check_finite, check_range
from tyllm_base.errors import CheckpointError


def test_bfloat16_becomes_float16():
    values = np.array([1.5, -3.0], ml_dtypes.bfloat16)
    assert as_float16("w", values).dtype == np.float16
    assert as_float16("w", values).tolist() == [1.5, -3.0]


@pytest.mark.parametrize(
    ("value", "message"),
    [(70000.0, "w holds 70144, above float16's largest"), (np.nan, "w holds NaN"), (-np.inf, "w holds an infinite")],
)
def test_what_float16_cannot_hold_is_refused(value, message):
    with pytest.raises(CheckpointError, match=message):
        as_float16("w", np.array([1.0, value], ml_dtypes.bfloat16))


def test_packed_integers_are_refused():
    with pytest.raises(CheckpointError, match="w has the type I32"):
        as_float16("w", np.zeros(2, np.int32))


@pytest.mark.parametrize(("value", "message"), [(np.nan, "w holds NaN"), (np.inf, "infinite"), (-np.inf, "infinite")])
def test_what_is_not_finite_is_refused_wherever_it_stands(value, message):
    for place in (0, 7):
        values = np.ones(8, np.float32)
        values[place] = value
        for check in (check_finite, check_range):
            with pytest.raises(CheckpointError, match=message):
                check("w", values)


def test_a_large_float32_is_finite_and_out_of_range():
    values = np.array([[1.0, -65520.0]], np.float32)
    check_finite("w", values)
    with pytest.raises(CheckpointError, match="w holds 65520, above float16's largest"):
        check_range("w", values)
    check_range("w", np.zeros(0, np.float32))
