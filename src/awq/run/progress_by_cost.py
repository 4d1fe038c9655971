"""How far a run is, in thousandths of its arithmetic, so that the time left can be told from the time gone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import accumulate

from tyllm_base.progress import Progress

STEPS = 1000
Step = tuple[str, str]  # a part of the result, and what is done for it


@dataclass
class ProgressByCost:
    """Reports steps of known cost; what was reported never goes back.

    Attributes:
        progress: called with (thousandths done, 1000, what is being done).
        costs: every step's cost in any unit, in the order of the work.
        done: the latest report.
    """

    progress: Progress
    costs: Mapping[Step, float]
    done: int = 0

    def __post_init__(self) -> None:
        ends = list(accumulate(self.costs.values(), initial=0.0))
        self._starts = dict(zip(self.costs, ends, strict=False))
        self._total = ends[-1] or 1.0

    def report(self, step: Step, what: str, share: float = 0.0) -> None:
        """Tell that `step` begins, or that a `share` of it is done."""
        if step in self.costs:
            reached = (self._starts[step] + share * self.costs[step]) / self._total
            self.done = max(self.done, min(STEPS - 1, int(STEPS * reached)))
        self.progress(self.done, STEPS, what)

    def finish(self) -> None:
        """Tell that all is done."""
        self.done = STEPS
        self.progress(STEPS, STEPS, "done")
