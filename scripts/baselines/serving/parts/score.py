"""Scoring a text, which wants the logits of all its tokens, beside reading it as a prompt."""

import statistics
from collections.abc import Callable

from baselines.serving.parts.part import Rows, Setting, seconds

from tyllm import Session

REPEATS, TOKENS = 3, 512


def measure(setting: Setting) -> Rows:
    """Tokens per second of each."""
    with Session(setting.package, setting.threads) as session:
        return {
            "Session.score": {"tokens/s": rate(setting, session.score)},
            "as a prompt": {"tokens/s": rate(setting, session.conversation().begin)},
        }


def rate(setting: Setting, read: Callable[[list[int]], object]) -> float:
    """The median of some texts after a short one that warms up."""
    read(setting.tokens(setting.prompt))
    return TOKENS / statistics.median(seconds(lambda: read(setting.tokens(TOKENS))) for _ in range(REPEATS))
