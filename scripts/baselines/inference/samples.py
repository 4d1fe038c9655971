"""A run's raw samples, and the median and range of each metric over them."""

import json
import statistics
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from baselines.harness.run import AlternatingRun
from baselines.harness.spread import Spread

MEMORY_PROMPT = 512  # the prompt after which memory is compared


@dataclass(frozen=True)
class Sample:
    """The measurements of one process.

    Attributes:
        round: which turn of the alternation, from 0.
        shape: the model's shape.
        engine: the engine's name.
        prompt: tokens of the prompt.
        start: seconds from the process's start to the first token after a short prompt.
        prompt_rates: prompt tokens per second, one a repeat.
        decode_rates: new tokens per second after the prompt, one a repeat.
        peak_rss: bytes.
        error: why there are no figures.
    """

    round: int
    shape: str
    engine: str
    prompt: int
    start: float = 0.0
    prompt_rates: tuple[float, ...] = ()
    decode_rates: tuple[float, ...] = ()
    peak_rss: int = 0
    error: str = ""


@dataclass(kw_only=True)
class InferenceRun(AlternatingRun[Sample]):
    """All that one alternating run measured; `sizes` are bytes of the model on disk, by shape and engine."""

    sizes: dict[str, dict[str, int]] = field(default_factory=dict)

    @classmethod
    def load(cls, path: Path) -> "InferenceRun":
        """Read what `save` wrote."""
        content = json.loads(path.read_text(encoding="utf-8"))
        lists = ("prompt_rates", "decode_rates")
        content["samples"] = [
            Sample(**{key: tuple(value) if key in lists else value for key, value in sample.items()})
            for sample in content["samples"]
        ]
        return cls(**content)

    def errors(self, shape: str) -> dict[str, str]:
        """The first failure of each engine that failed."""
        failed = [sample for sample in self.samples if sample.shape == shape and sample.error]
        return {sample.engine: sample.error for sample in reversed(failed)}


@dataclass(frozen=True)
class Metric:
    """A column: `kind` is pp, tg, start, rss or size; `prompt` the prompt's length for pp and tg."""

    kind: str
    prompt: int = 0

    @property
    def name(self) -> str:
        """As llama-bench and the command line call it: pp512, tg@96, start."""
        return {"pp": f"pp{self.prompt}", "tg": f"tg@{self.prompt}"}.get(self.kind, self.kind)

    @property
    def more_is_better(self) -> bool:
        """Rates are; seconds and bytes are not."""
        return self.kind in {"pp", "tg"}

    def spread(self, run: InferenceRun, shape: str, engine: str) -> Spread | None:
        """Over the rounds; of several repeats in a process the median counts. Size has no range."""
        if self.kind == "size":
            size = run.sizes.get(shape, {}).get(engine)
            return Spread.of([] if size is None else [size / 1e6])
        of_engine = (sample for sample in run.samples if sample.shape == shape and sample.engine == engine)
        return Spread.of(self._value(sample) for sample in of_engine if not sample.error and self._has(sample))

    def _has(self, sample: Sample) -> bool:
        if self.kind == "start":
            return True
        return sample.prompt == (MEMORY_PROMPT if self.kind == "rss" else self.prompt)

    def _value(self, sample: Sample) -> float:
        if self.kind == "pp":
            return statistics.median(sample.prompt_rates)
        if self.kind == "tg":
            return statistics.median(sample.decode_rates)
        return sample.start if self.kind == "start" else sample.peak_rss / 1e6


def metrics(prompts: Iterable[int]) -> list[Metric]:
    """Every metric of a shape, in the order of the table."""
    lengths = list(prompts)
    rates = [Metric(kind, length) for kind in ("pp", "tg") for length in lengths]
    return [*rates, Metric("start"), Metric("rss"), Metric("size")]
