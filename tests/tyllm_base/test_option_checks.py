"""Values of options: those that mean a number, a text or a list, and the sentences for those that do not."""

from fractions import Fraction

import numpy as np
import pytest

from tyllm_base.errors import GenerationError
from tyllm_base.option_checks import Number, WholeNumber, as_number, flag, is_whole, listed, shown, texts

WHOLE = WholeNumber(1, "a whole number from 1")
POSITIVE = Number(lambda value: value > 0, "more than 0", optional=True)


@pytest.mark.parametrize("value", [3, np.int64(3), np.uint8(3)])
def test_whole_numbers(value):
    assert type(WHOLE("count", value)) is int and WHOLE("count", value) == 3


@pytest.mark.parametrize("value", [0, 3.0, True, "3", None, np.float32(3), [3], np.asarray([3])])
def test_no_whole_numbers(value):
    with pytest.raises(GenerationError, match=r"^count is .*, it must be a whole number from 1\.$"):
        WHOLE("count", value)
    assert not is_whole("3")


@pytest.mark.parametrize("value", [0.5, np.float32(0.5), Fraction(1, 2), np.float64(0.5)])
def test_numbers(value):
    assert type(POSITIVE("share", value)) is float and POSITIVE("share", value) == 0.5
    assert POSITIVE("share", None) is None


@pytest.mark.parametrize("value", ["0.5", True, float("nan"), float("inf"), 10**400, 1j, np.asarray([0.5]), -1, [0.5]])
def test_no_numbers(value):
    with pytest.raises(GenerationError, match=r"^share is .*, it must be more than 0\.$"):
        POSITIVE("share", value)


def test_what_no_float_holds():
    assert as_number(10**400) is None and as_number(3) == 3.0


@pytest.mark.parametrize("value", [1, 0, "yes", None, []])
def test_no_flags(value):
    with pytest.raises(GenerationError, match=r"^wait is .*, it must be True or False"):
        flag("wait", value)
    assert flag("wait", True) is True


@pytest.mark.parametrize(("value", "found"), [("a", ("a",)), (["a", "b"], ("a", "b")), (None, ()), ((), ())])
def test_texts(value, found):
    assert texts("stop", value) == found


@pytest.mark.parametrize("value", [3, b"a", [b"a"], ["a", 3], {"a": 1}, np.asarray([["a"]])])
def test_no_texts(value):
    with pytest.raises(GenerationError, match=r"^stop is .*, it must be a text or a list of texts"):
        texts("stop", value)
    with pytest.raises(GenerationError, match="A text of stop is empty"):
        texts("stop", [""])


def test_a_list_has_a_length():
    with pytest.raises(GenerationError, match="it must be a list"):
        listed("images", iter([1]), "a list")


def test_values_are_shown_whatever_they_are():
    class Odd:
        def __repr__(self):
            raise ZeroDivisionError

    assert (shown("x" * 100), shown(Odd()), shown(10**5000)) == (
        "'" + "x" * 59,
        "a value of type Odd",
        "a value of type int",
    )
