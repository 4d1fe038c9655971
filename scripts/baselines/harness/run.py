"""A run of a comparison: when, on what machine, and its raw samples, kept as JSON."""

import datetime
import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Generic, TypeVar

from tyllm.cli.machine_summary import this_machine

SampleT = TypeVar("SampleT")


def today() -> str:
    """The day, as in "2026-01-31"."""
    return datetime.date.today().isoformat()


def processor() -> str:
    """The name of this machine's processor."""
    return this_machine().processor


@dataclass(kw_only=True)
class Run(Generic[SampleT]):
    """The samples of one run.

    Attributes:
        when: the day.
        machine: the processor.
        samples: one for each process that measured.
    """

    when: str = field(default_factory=today)
    machine: str = field(default_factory=processor)
    samples: list[SampleT] = field(default_factory=list)

    def save(self, path: Path) -> None:
        """Write JSON."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(asdict(self), indent=1) + "\n", encoding="utf-8")


@dataclass(kw_only=True)
class AlternatingRun(Run[SampleT]):
    """A run in which programs take turns.

    Attributes:
        threads: worker threads of every program.
        limits: what the machine reached before each round and after the last, by kind.
    """

    threads: int
    limits: list[dict[str, float]] = field(default_factory=list)
