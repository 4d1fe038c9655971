"""Run a command that fails; a checkpoint and a package that work, to be copied and broken."""

import sys

import pytest
from tests.bad_input.commands import Ended
from tests.tiny_checkpoint import quantize_by_rounding, write_tiny

from tyllm.cli import main


@pytest.fixture(autouse=True)
def quiet(tmp_path_factory, monkeypatch):
    """Other libraries keep stderr for us, as in a process of the command's own; hashes stay out of the user's cache."""
    monkeypatch.setenv("TRANSFORMERS_VERBOSITY", "error")
    monkeypatch.setattr("tyllm.progress_bar.LINE_EVERY_S", 3600.0)  # a busy machine would print how far it is
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.getbasetemp() / "cache"))
    if "transformers" in sys.modules:
        sys.modules["transformers"].logging.set_verbosity_error()


@pytest.fixture
def tyllm(capfd):
    """`tyllm(arguments)`: run a command that fails with one sentence on stderr."""

    def call(arguments):
        capfd.readouterr()
        code = main([str(argument) for argument in arguments])
        error = capfd.readouterr().err
        assert error.startswith("tyllm: ") and error.count("\n") == 1, error
        assert "Traceback" not in error
        return Ended(code, error.removeprefix("tyllm: ").removesuffix("\n"))

    return call


@pytest.fixture(scope="session")
def checkpoints(tmp_path_factory):
    """Checkpoints that are copied and broken: float16, and INT4 made of it."""
    folder = tmp_path_factory.mktemp("good")
    write_tiny(folder / "float16")
    quantize_by_rounding(folder / "float16", folder / "int4")
    return folder


@pytest.fixture(scope="session")
def package(checkpoints):
    """A package that works."""
    assert (
        main(["compile", str(checkpoints / "float16"), str(checkpoints / "package"), "--max-kv-cache-size", "64"]) == 0
    )
    return checkpoints / "package"
