"""Scoring a text, with a package whose head takes all rows of a batch and with one whose head takes one row."""

import statistics
from pathlib import Path

from baselines.serving.parts.part import Rows, Setting, seconds

from tyllm import Session

REPEATS, TOKENS = 3, 512


def measure(setting: Setting) -> Rows:
    """Tokens scored per second."""
    packages = {"with batches": setting.package, "without batches": setting.without_batches}
    return {name: {"tokens/s": rate(setting, package)} for name, package in packages.items()}


def rate(setting: Setting, package: Path) -> float:
    """The median of some texts after a short one that warms up."""
    with Session(package, setting.threads) as session:
        session.score(setting.tokens(setting.prompt))
        taken = [seconds(lambda: session.score(setting.tokens(TOKENS))) for _ in range(REPEATS)]
    return TOKENS / statistics.median(taken)
