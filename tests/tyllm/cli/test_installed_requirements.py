"""Requirements as the distribution's metadata tells them, and whether what is installed fits."""

import pytest

from tyllm.cli.installed_requirements import Requirement, _parse, requirements


def test_a_line_of_an_extra():
    found = _parse('torch<2.14,>=2.10; extra == "compile"')
    assert (found.name, found.range, found.extra) == ("torch", ">=2.10,<2.14", "compile")


def test_a_line_of_the_base_install():
    found = _parse("numpy<3,>=2.0")
    assert (found.name, found.range, found.extra) == ("numpy", ">=2.0,<3", "")
    assert found.fits


@pytest.mark.parametrize(
    ("installed", "fits"),
    [("2.13.0+cpu", True), ("2.10", True), ("2.9.1", False), ("2.14.0", False), ("2.13.0.post1", True), (None, False)],
)
def test_the_range(installed, fits):
    assert Requirement("torch", ">=2.10,<2.14", "compile", installed).fits is fits


def test_the_installed_distribution_has_a_base_and_extras():
    found = requirements()
    assert {"numpy", "tokenizers"} <= {entry.name for entry in found if not entry.extra}
    assert {"compile", "dev"} <= {entry.extra for entry in found}


def test_a_distribution_that_is_not_installed():
    assert requirements("no-such-distribution") == []
