"""Many quick tries in one child after the other: a try that ends the process, or does not end, costs only itself."""

import json
import os
import random
import select
import signal
import sys
import time
from collections.abc import Callable
from contextlib import suppress

from tests.faults.child import HANG, SIGNAL, TRACEBACK
from tests.faults.tally import Tally

Verdict = tuple[str, str, bool]
"""What was done, how it ended, and whether it held."""


def play(
    tally: Tally, count: int, one: Callable[[int, random.Random], Verdict], limit: float = 5.0, per_child: int = 200
) -> None:
    """Play tries in forked children, in order.

    Args:
        tally: counts.
        count: tries.
        one: plays one; an exception that it lets through did not hold.
        limit: seconds after which a try hangs.
        per_child: tries after which a child is replaced by a new one.
    """
    waiting = list(tally.numbers_alone(count))
    started = time.monotonic()
    while waiting and time.monotonic() - started < tally.limit:
        done = _play_child(tally, waiting[:per_child], one, limit, started + tally.limit)
        waiting = waiting[max(done, 1) :]
    tally.seconds = time.monotonic() - started


def _play_child(tally: Tally, numbers: list[int], one, limit: float, until: float) -> int:
    """Play tries in one child until one of them ends it; returns how many were played."""
    reader, writer = os.pipe()
    sys.stdout.flush()
    sys.stderr.flush()
    pid = os.fork()
    if not pid:
        os.close(reader)
        _serve(tally, numbers, one, writer)
    os.close(writer)
    played, text = 0, b""
    with os.fdopen(reader, "rb", buffering=0) as pipe:
        while played < len(numbers) and time.monotonic() < until:
            ready, _, _ = select.select([pipe], [], [], limit)
            chunk = pipe.read(65536) if ready else None
            if chunk:
                *lines, text = (text + chunk).split(b"\n")
                for line in lines:
                    tally.add(*json.loads(line))
                played += len(lines)
                continue
            end = HANG if chunk is None else SIGNAL
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
            _, status = os.waitpid(pid, 0)
            code = os.waitstatus_to_exitcode(status)
            tally.add(
                numbers[played], "see --only", f"{end}: {signal.Signals(-code).name if code < 0 else code}", False
            )
            return played + 1
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    return played


def _serve(tally: Tally, numbers: list[int], one, writer: int) -> None:
    """The child: play and tell; never returns."""
    try:
        if not tally.only:
            null = os.open(os.devnull, os.O_RDWR)
            for descriptor in (0, 1, 2):
                os.dup2(null, descriptor)
        for number in numbers:
            try:
                verdict = one(number, random.Random(f"{tally.row} {tally.seed} {number}"))
            except BaseException as error:
                if tally.only:
                    import traceback

                    traceback.print_exc()
                verdict = ("see --only", f"{TRACEBACK}: {type(error).__name__} {str(error)[:160]}", False)
            os.write(writer, json.dumps([number, *verdict]).encode() + b"\n")
    finally:
        os._exit(0)
