"""Toy packages for the tests of the package format and the runtime."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # tests import the toy package's writer by its bare name

from fake_package import HERE, Fake, build


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory, monkeypatch) -> None:
    """Hashes that tests remember stay out of the user's cache."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.getbasetemp() / "cache"))


@pytest.fixture(scope="session")
def toy_library(tmp_path_factory) -> Path:
    """The toy program, compiled once."""
    return build(HERE / "fake_program.c", tmp_path_factory.mktemp("toy") / "toy.so")


@pytest.fixture(scope="session")
def toy(toy_library, tmp_path_factory) -> Callable[..., Path]:
    """`toy(dies=2, …)`: a package that nobody changes, written once for each setting."""
    written: dict[Fake, Path] = {}

    def package(**settings) -> Path:
        fake = Fake(toy_library, **settings)
        if fake not in written:
            written[fake] = fake.write(tmp_path_factory.mktemp("toy") / "package")
        return written[fake]

    return package


@pytest.fixture
def own_toy(toy_library, tmp_path) -> Path:
    """A package of two dies for a test that breaks it."""
    return Fake(toy_library, dies=2).write(tmp_path / "package")
