"""The trials of llama-bench: pp512 feeds a prompt, tg128 decodes token after token, @ d4096 after so many others."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from tyllm_base.errors import GenerationError

if TYPE_CHECKING:
    from tyllm.runtime import Session

WARM_TOKENS = 2  # decoded before the clock runs


@dataclass(frozen=True)
class Trial:
    """Feed `count` tokens at once ("pp") or one by one ("tg"), after `depth` others."""

    kind: str
    count: int
    depth: int

    def __str__(self) -> str:
        return f"{self.kind}{self.count}" + (f" @ d{self.depth}" if self.depth else "")

    @property
    def length(self) -> int:
        """Tokens in the cache at the end."""
        return self.depth + self.count


@dataclass(frozen=True)
class Rates:
    """Tokens per second of each repetition."""

    samples: tuple[float, ...]

    @property
    def mean(self) -> float:
        """Their mean."""
        return statistics.fmean(self.samples)

    @property
    def deviation(self) -> float:
        """Their standard deviation (of a sample, n - 1); 0 for a single one."""
        return statistics.stdev(self.samples) if len(self.samples) > 1 else 0.0


def trials_of(prompts: Sequence[int], generated: Sequence[int], depths: Sequence[int]) -> list[Trial]:
    """Every prompt and every generation at every depth; 0 tokens leave one out."""
    return [
        Trial(kind, count, depth)
        for depth in depths
        for kind, counts in (("pp", prompts), ("tg", generated))
        for count in counts
        if count
    ]


def check_room(trials: Sequence[Trial], session: Session) -> None:
    """Raise `GenerationError` for a trial that the package's cache has no room for."""
    limit = session.info.max_kv_cache_size
    for trial in trials:
        if trial.length > limit:
            raise GenerationError(
                f"{trial} wants {trial.length} tokens in a cache of {limit}; give fewer, or compile the model "
                "with a larger max_kv_cache_size."
            )


def measure(session: Session, trial: Trial, repetitions: int, report: Callable[[], object]) -> Rates:
    """Rates of a trial, random tokens, after one run that is not counted; `report` is called after each run."""
    tokens = np.random.default_rng(0).integers(0, session.info.vocab_size, max(trial.length, 1)).tolist()
    conversation = session.conversation()
    conversation.reset()
    if trial.depth:
        conversation.append(tokens[: trial.depth])
    rates = []
    for repetition in range(repetitions + 1):
        conversation.rewind(trial.depth)
        fed = tokens[trial.depth :]
        warming = repetition == 0 and trial.kind == "tg"
        seconds = _feed(session, trial, fed[:WARM_TOKENS] if warming else fed)
        if repetition:
            rates.append(trial.count / seconds)
        report()
    conversation.reset()
    return Rates(tuple(rates))


def _feed(session: Session, trial: Trial, tokens: Sequence[int]) -> float:
    """Seconds that feeding takes."""
    conversation = session.conversation()
    started = time.perf_counter()
    if trial.kind == "pp":
        conversation.append(tokens)
    else:
        for token in tokens:
            conversation.append([token])
    return time.perf_counter() - started
