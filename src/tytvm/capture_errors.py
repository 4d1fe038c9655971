"""What torch.export says of code that it cannot capture, as a sentence: where it happens, and what it means."""

from __future__ import annotations

import traceback
from collections.abc import Iterable, Iterator
from pathlib import Path

from tyllm_base.errors import UnsupportedError

DEPENDS_ON_VALUES = ("Could not guard on data-dependent", "Could not extract specialized integer from data-dependent")
"""How torch.export's errors begin about code that asks for a number which is in a tensor."""
LONGEST = 120  # characters of a foreign message, and of a line of code


def refusal(error: Exception, what: str, inputs: Iterable[str]) -> UnsupportedError:
    """The refusal of a module called `what`, whose capture raised `error`; one of our own below it stays as it is.

    `inputs` are the names of what the module was given.
    """
    causes = list(_causes(error))
    own = next((each for each in causes if isinstance(each, UnsupportedError)), None)
    if own is not None:
        return own
    first = causes[-1]
    reason = (str(first).strip().splitlines() or [""])[0][:LONGEST] or type(first).__name__
    if any(str(each).startswith(DEPENDS_ON_VALUES) for each in causes):
        return UnsupportedError(
            f"{what} chooses by numbers that follow from the text what it computes{_place(causes)}; a compiled program "
            "computes the same for every text, so such modeling code is not supported."
        )
    return UnsupportedError(
        f"{what} cannot be captured: its code{_place(causes)} fails where it is traced with "
        f"{', '.join(sorted(inputs))} alone ({reason}); such modeling code is not supported."
    )


def _causes(error: BaseException) -> Iterator[BaseException]:
    """The error, and those that it was raised from."""
    found: BaseException | None = error
    while found is not None:
        yield found
        found = found.__cause__ or found.__context__


def _place(causes: list[BaseException]) -> str:
    """Where the module's own code failed, such as " (modeling_aria.py, line 20: x = y[0])"; empty where not known."""
    for each in reversed(causes):
        for frame in reversed(traceback.extract_tb(each.__traceback__)):
            path = Path(frame.filename)
            if path.name.startswith("modeling_"):
                return f" ({path.name}, line {frame.lineno}: {str(frame.line)[:LONGEST]})"
    return ""
