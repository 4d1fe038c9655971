"""Call the command line in this process and keep what it printed."""

from collections.abc import Callable
from dataclasses import dataclass

import pytest

from tyllm.cli import main


@dataclass(frozen=True)
class Outcome:
    """How a call of `tyllm` ended."""

    code: int
    out: str
    err: str


@pytest.fixture
def tyllm(capsys) -> Callable[..., Outcome]:
    def call(*arguments: object) -> Outcome:
        code = main([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return Outcome(code, captured.out, captured.err)

    return call
