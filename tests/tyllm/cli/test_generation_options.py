"""Only what was given is given on; `--greedy` is a temperature of 0."""

import pytest
import typer

from tyllm.cli.generation_options import generation_options


def test_what_was_not_given_is_left_to_the_author():
    assert generation_options(False, None, None, top_k=None, seed=None) == {}
    assert generation_options(False, ["a"], 0.5, top_k=3) == {"stop": ("a",), "temperature": 0.5, "top_k": 3}


def test_greedy():
    assert generation_options(True, None, None) == {"temperature": 0.0}
    assert generation_options(True, None, 0.0) == {"temperature": 0.0}
    with pytest.raises(typer.BadParameter, match="there is a --temperature too"):
        generation_options(True, None, 0.5)
