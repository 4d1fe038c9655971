"""Code that cannot be captured: the sentence names the model, the place in its code, and the reason."""

import pytest
import torch
from tests.tytvm.small_graph import Calculation

from tyllm_base.errors import UnsupportedError
from tytvm.capture import capture

X = {"x": torch.zeros(2, device="meta")}


def test_torch_says_nothing_itself(capfd):
    refusal(lambda x: x[: int(x.sum())] if x.sum() > 0 else -x)
    assert capfd.readouterr() == ("", "")


def refusal(function, name=""):
    with pytest.raises(UnsupportedError) as raised:
        capture(Calculation(function), X, name)
    return str(raised.value)


def test_a_choice_by_values():
    assert refusal(lambda x: x if x.sum() > 0 else -x, "ForCausalLM").startswith(
        "ForCausalLM chooses by numbers that follow from the text what it computes; "
    )


def test_a_mistake_in_the_code():
    assert refusal(lambda x: x + None) == (
        "Calculation cannot be captured: its code fails where it is traced with x alone (unsupported operand type(s) "
        "for +: 'FakeTensor' and 'NoneType'); such modeling code is not supported."
    )


def test_the_line_of_modeling_code(tmp_path):
    path = tmp_path / "modeling_small.py"
    path.write_text("def fails(x):\n    return x.missing\n", encoding="utf-8")
    names = {}
    exec(compile(path.read_text(encoding="utf-8"), str(path), "exec"), names)
    assert "its code (modeling_small.py, line 2: return x.missing) fails" in refusal(names["fails"])


def test_a_refusal_of_ours_stays():
    def refuses(x):
        raise UnsupportedError("It wants a mask.")

    assert refusal(refuses) == "It wants a mask."
