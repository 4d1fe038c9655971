"""Rows of a stack of experts are found in the tensors that have them."""

import pytest

from hf_checkpoint.expert_stack import ExpertForm, ExpertStack, Storage

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
    whole = ExpertStack((2, 8, 16), ("gate_up_proj",), (0,), Storage.WHOLE)
    assert whole.shapes() == {"gate_up_proj": (2, 8, 16)}
    assert list(whole.outputs(3, 11)) == [(0, slice(3, 8, 1)), (1, slice(0, 3, 1))]


def test_gate_and_up_in_turns():
    turns = ExpertStack((2, 8, 16), ("gate_up_proj",), (0,), Storage.WHOLE, ExpertForm(True, True))
    assert turns.shapes() == {"gate_up_proj": (2, 16, 8)}
    assert list(turns.outputs(3, 9)) == [(0, slice(6, 7, 2)), (0, slice(1, 8, 2)), (1, slice(0, 1, 2))]


def test_biases_have_no_inputs():
    assert ExpertStack((2, 8), ("gate_up_proj_bias",), (0,), Storage.WHOLE).shapes() == {"gate_up_proj_bias": (2, 8)}


def test_codes_and_scales_of_mxfp4():
    stack = ExpertStack((2, 8, 64), ("down_proj_blocks", "down_proj_scales"), (0, 0), Storage.MXFP4)
    assert stack.shapes() == {"down_proj_blocks": (2, 8, 2, 16), "down_proj_scales": (2, 8, 2)}
