"""Numbers and sizes in options are read or refused with an example."""

import pytest
import typer

from tyllm.cli.compile_options import parsed_size, whole_numbers


def test_whole_numbers():
    assert whole_numbers("1, 16,64") == [1, 16, 64]
    assert whole_numbers(None) is None


@pytest.mark.parametrize("text", ["", "one", "1,", "1.5", "1;8"])
def test_what_is_no_list_of_numbers(text):
    with pytest.raises(typer.BadParameter, match="such as 1,8"):
        whole_numbers(text)


def test_a_size_is_height_then_width():
    assert parsed_size("540x960") == (540, 960)
    assert parsed_size("448X768") == (448, 768)


@pytest.mark.parametrize("text", ["540", "540x", "0.5x3", "-28x28", "axb", "1x2x3", "540x¹", f"9x{10**12}"])
def test_what_is_no_size(text):
    with pytest.raises(typer.BadParameter, match="such as 540x960"):
        parsed_size(text)
