"""The time of a step of several rows, of as many sequences or of one, beside that of one row."""

import statistics
from collections.abc import Callable
from functools import partial

from baselines.serving.parts.part import Rows, Setting, seconds

from tyllm.runtime import Session
from tyllm.runtime.prompt.prompt import Prompt
from tyllm.runtime.step.model_runner import ScheduledChunk

SEQUENCES, ROWS = (1, 4, 8, 16, 32), (4, 8)
REPEATS = 7


def measure(setting: Setting) -> Rows:
    """Of each step "ms", and "× 1 row", its rows per second over those of one row; `prompt` tokens stand before it."""
    with Session(setting.package, setting.threads, slots=max(SEQUENCES)) as session:
        for slot in range(max(SEQUENCES)):
            session.conversation(slot).append(setting.tokens(setting.prompt))
        steps = all_steps(session, setting)
        turns = [{name: step() for name, (_, step) in steps.items()} for _ in range(REPEATS + 1)][1:]  # the first warms
    medians = {name: statistics.median(turn[name] for turn in turns) for name in steps}
    one = medians[name_of(1)]
    return {
        name: {"ms": 1e3 * medians[name], "× 1 row": count * one / medians[name]} for name, (count, _) in steps.items()
    }


def name_of(sequences: int) -> str:
    """The row of a step with one row of each of so many sequences."""
    return f"{sequences} sequence{'s' * (sequences > 1)}"


def all_steps(session: Session, setting: Setting) -> dict[str, tuple[int, Callable[[], float]]]:
    """Every step by name: how many rows it has, and a function that takes it and gives its seconds."""
    sequences = {name_of(count): (count, partial(of_sequences, session, setting, count)) for count in SEQUENCES}
    rows = {f"{count} rows of one sequence": (count, partial(of_one, session, setting, count)) for count in ROWS}
    return {**sequences, **rows}


def of_sequences(session: Session, setting: Setting, count: int) -> float:
    """Seconds of a step with one row of each of so many sequences."""
    slots = [session.conversation(slot).slot for slot in range(count)]
    before = len(slots[0])
    chunks = [ScheduledChunk(slot.lease, Prompt(setting.tokens(1))) for slot in slots]
    taken = seconds(lambda: session._runner.step(chunks))
    for slot in slots:
        slot.prefix.truncate(before)
    return taken


def of_one(session: Session, setting: Setting, count: int) -> float:
    """Seconds of a step with so many rows of one sequence, the logits of all wanted."""
    slot = session.conversation(0).slot
    before = len(slot)
    chunk = ScheduledChunk(slot.lease, Prompt(setting.tokens(count)), "all")
    taken = seconds(lambda: session._runner.step([chunk]))
    slot.prefix.truncate(before)
    return taken
