"""Runs trials on packages, one after the other, each beside the limits of this machine."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from tyllm.bench.measure import Rates, Trial, check_room, measure
from tyllm.bench.share import Share, share_of_limit
from tyllm.bench.work import Work
from tyllm.runtime import Session
from tyllm.runtime.execute.limits import measure_limits
from tyllm.signing import Signer
from tyllm_base.doors import Door, callers
from tyllm_base.errors import PackageError, SettingError
from tyllm_base.progress import Progress


@dataclass(frozen=True)
class Subject:
    """The subject of a measurement: a package with so many threads, and the limits of this machine for its target."""

    package: Path
    nbytes: int
    dies: int
    threads: int
    target: str
    limits: Mapping[str, float]


@dataclass(frozen=True)
class Row:
    """One result."""

    subject: Subject
    trial: Trial
    rates: Rates
    share: Share | None


@Door(PackageError)
def run(
    packages: Sequence[Path], trials: Sequence[Trial], repetitions: int, threads: int | None, report: Progress,
    signer: Signer | str | Path | None = None,
) -> list[Row]:  # fmt: skip
    """Every trial on every package; each is opened and has its trials checked before the first one runs.

    Args:
        packages: folders that the compiler wrote.
        trials: what to do with each.
        repetitions: runs of each trial that are counted.
        threads: of all dies together; None for the default.
        report: called as `report(done, total, what)`.
        signer: who must have signed every package, as of `Session`.

    Raises:
        PackageError: a package is damaged, of another version or for another machine, or not signed by `signer`.
        SettingError: threads or repetitions below 1, or a signer's file that cannot be used.
        GenerationError: a trial does not fit a package's cache.
        MissingExtraError: `signer` is given and the library that checks signatures is not installed.
    """
    if repetitions < 1:
        raise SettingError(f"{repetitions} repetitions measure nothing; give 1 or more.")
    for package in packages:
        with Session(package, threads=threads, signer=signer) as session:
            check_room(trials, session)
    bench = _Bench(repetitions, callers(report), len(packages) * len(trials) * (repetitions + 1))
    rows: list[Row] = []
    for package in packages:
        with Session(package, threads=threads, signer=signer) as session:
            rows += bench.rows(package, session, trials)
    return rows


@dataclass
class _Bench:
    """State that the packages of a run share: limits measured so far, and progress."""

    repetitions: int
    report: Progress
    total: int
    done: int = 0
    limits: dict[tuple[str, int], Mapping[str, float]] = field(default_factory=dict)

    def rows(self, path: Path, session: Session, trials: Sequence[Trial]) -> Iterator[Row]:
        limits = self._limits(session)
        subject = Subject(
            path, session.package.nbytes, session.info.dies, session.threads, session.info.target.name, limits
        )
        work = Work.of(session.package)
        for trial in trials:
            rates = measure(session, trial, self.repetitions, partial(self._step, f"{path.name} {trial}"))
            yield Row(subject, trial, rates, share_of_limit(work, trial, rates.mean, limits))

    def _limits(self, session: Session) -> Mapping[str, float]:
        key = session.info.target.name, session.threads
        if key not in self.limits:
            self.limits[key] = measure_limits(
                session.package, session.threads, lambda name: self.report(self.done, self.total, f"limit {name}")
            )
        return self.limits[key]

    def _step(self, what: str) -> None:
        self.done += 1
        self.report(self.done, self.total, what)
