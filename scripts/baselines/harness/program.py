"""A program that takes part in a comparison: which driver runs it, in which environment."""

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from baselines.harness.environments import python


@dataclass(frozen=True)
class Program:
    """A program with one way of running it.

    Attributes:
        name: its name on the command line, and of its folders.
        title: its name in tables.
        driver: the file drive_`driver`.py in `drivers`.
        environment: the virtual environment; empty for the one that runs this.
    """

    name: str
    title: str
    driver: str
    environment: str = ""

    drivers: ClassVar[Path]

    @property
    def is_ours(self) -> bool:
        """Whether it is TyLLM."""
        return self.driver == "tyllm"

    def command(self) -> list[str | Path]:
        """Interpreter and driver."""
        return [python(self.environment), self.drivers / f"drive_{self.driver}.py"]
