"""Rows of a stack of experts are found in the tensors that have them."""

import pytest

from hf_checkpoint.expert_stack import ExpertStack

STACK = ExpertStack((2, 8, 16), ("0.gate", "0.up", "1.gate", "1.up"), (0, 4, 8, 12))


@pytest.mark.parametrize(
    ("rows", "parts"),
    [
        ((0, 16), [("0.gate", 0, 4), ("0.up", 0, 4), ("1.gate", 0, 4), ("1.up", 0, 4)]),
        ((4, 8), [("0.up", 0, 4)]),
        ((6, 13), [("0.up", 2, 4), ("1.gate", 0, 4), ("1.up", 0, 1)]),
        ((9, 11), [("1.gate", 1, 3)]),
    ],
)
def test_rows_are_found_in_their_tensors(rows, parts):
    assert list(STACK.parts(*rows)) == parts


def test_each_tensor_has_its_rows():
    assert STACK.rows == 16
    assert STACK.shapes() == dict.fromkeys(STACK.names, (4, 16))


def test_one_tensor_has_all():
    whole = ExpertStack((2, 8, 16), ("gate_up_proj",), (0,), is_whole=True)
    assert whole.shapes() == {"gate_up_proj": (2, 8, 16)}
    assert list(whole.parts(3, 11)) == [("gate_up_proj", 3, 11)]
