"""A run's raw samples: the figures that each process gave, in rows and columns."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from baselines.harness.run import AlternatingRun
from baselines.harness.spread import Spread

THROUGHPUT = "throughput"
PARTS = ("steps", "long-prompt", "prefix", "one-stream", "score")
"""What TyLLM alone takes part in."""

Rows = dict[str, dict[str, float]]


@dataclass(frozen=True)
class Workload:
    """What every engine is given.

    Attributes:
        streams: numbers of requests at a time.
        requests: of each stream, one after another.
        prompt: tokens of a prompt.
        new: tokens of a text.
        long_prompt: tokens of the prompt that is read beside other streams.
        prefix: tokens that two prompts have in common.
    """

    streams: tuple[int, ...] = (1, 8, 16)
    requests: int = 2
    prompt: int = 128
    new: int = 128
    long_prompt: int = 4096
    prefix: int = 2048


@dataclass(frozen=True)
class Sample:
    """The measurements of one process.

    Attributes:
        round: which turn of the alternation, from 0.
        shape: the model's shape.
        part: "throughput", or one of `PARTS`.
        engine: the engine's name.
        rows: figures; of throughput a row for each number of streams.
        error: why there are none.
    """

    round: int
    shape: str
    part: str
    engine: str
    rows: Rows = field(default_factory=dict)
    error: str = ""


@dataclass(kw_only=True)
class ServingRun(AlternatingRun[Sample]):
    """All that one alternating run measured; `versions` are those of the engines, by name."""

    workload: Workload = field(default_factory=Workload)
    versions: dict[str, str] = field(default_factory=dict)

    @classmethod
    def load(cls, path: Path) -> "ServingRun":
        """Read what `save` wrote."""
        content = json.loads(path.read_text(encoding="utf-8"))
        content["samples"] = [Sample(**sample) for sample in content["samples"]]
        workload = content["workload"]
        content["workload"] = Workload(**(workload | {"streams": tuple(workload["streams"])}))
        return cls(**content)

    def of(self, shape: str, part: str, engine: str) -> Iterator[Sample]:
        """The samples of an engine in a part."""
        wanted = (shape, part, engine)
        return (sample for sample in self.samples if (sample.shape, sample.part, sample.engine) == wanted)

    def error(self, shape: str, part: str, engine: str) -> str:
        """Why an engine first failed in a part; empty where it did not."""
        return next((sample.error for sample in self.of(shape, part, engine) if sample.error), "")

    def spread(self, shape: str, part: str, engine: str, row: str, column: str) -> Spread | None:
        """A figure over the rounds; None where there is none."""
        rows = [sample.rows.get(row, {}) for sample in self.of(shape, part, engine)]
        return Spread.of(found[column] for found in rows if column in found)
