"""A module's files are named, and nothing in a name is a command or a way to another folder."""

from pathlib import Path

import pytest

from tyllm.package.compiled_module import ModuleConfig
from tyllm.package.module_files import module_code, module_params
from tyllm_base.errors import PackageError


def test_the_number_of_a_die_is_filled_in():
    module = ModuleConfig("vit_die{die}.so", "constant_die{die}.params", (), ({}, {}))
    assert module_code(Path("visual"), module, 1) == Path("visual/vit_die1.so")
    assert module_params(Path("visual"), module, 0) == Path("visual/constant_die0.params")


@pytest.mark.parametrize("name", ["{x}", "{0}", "{die:>999999999999}", "{die.__class__}", "{", "}"])
def test_nothing_else_is(name):
    module = ModuleConfig(f"{name}.so", f"{name}.params", (), ({},))
    assert module_code(Path("visual"), module, 7) == Path("visual", f"{name}.so")
    assert module_params(Path("visual"), module, 7) == Path("visual", f"{name}.params")


NAMES = ["/evil.so", "../evil.so", "a/evil.so", "..", ".", "", "evil", "evil.params", "evil.so\0", "\ud800.so", 7, None]


@pytest.mark.parametrize("name", NAMES)
def test_names_that_lead_elsewhere_or_are_none(name):
    with pytest.raises(PackageError, match=r"no name of a \*\.so file"):
        module_code(Path("visual"), ModuleConfig(name, "x.params", (), ({},)), 0)


def test_code_is_no_parameters():
    with pytest.raises(PackageError, match=r"no name of a \*\.params file"):
        module_params(Path("visual"), ModuleConfig("x.so", "x.so", (), ({},)), 0)
