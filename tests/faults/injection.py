"""System calls that fail, or kill, injected by strace at calls of quantize, compile, run and sign on our files.

Held: the command ends well or in a sentence; its result is whole or not there; and the next run goes through.
"""

import random
import re
import shutil
import subprocess
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from tests.faults.child import DONE, SENTENCE, SIGNAL, Child, End, contents, run
from tests.faults.remembered_code import remembered_code
from tests.faults.samples import COMPILE, QUANTIZE, checkpoint, fresh, key, package, scratch, warm
from tests.faults.tally import Tally

CALLS = (
    "write", "pwrite64", "fsync", "rename", "renameat", "renameat2", "openat", "mmap", "ftruncate",
    "read", "pread64", "mkdir", "unlink", "unlinkat", "linkat", "sendfile", "copy_file_range",
)  # fmt: skip
ERRORS = ("KILL", "EIO", "ENOSPC", "EMFILE", "EACCES")
LIMIT = 60.0
LINE = re.compile(r"^(\d+) +(\w+)\((.*)")
Point = tuple[str, int, str]
"""A system call, which one of a process, and what becomes of it."""


def inject_quantize(tally: Tally, count: int) -> None:
    """Into quantize."""
    warm()
    _play(tally, count, ["quantize", checkpoint(), "{out}", *QUANTIZE])


def inject_compile(tally: Tally, count: int) -> None:
    """Into compile."""
    warm()
    arguments = ["compile", checkpoint(), "{out}", "--seq-lens", "1", *COMPILE]
    with remembered_code(arguments):
        _play(tally, count, arguments)


def inject_run(tally: Tally, count: int) -> None:
    """Into run, at calls on the package and the memory of hashes."""
    warm()
    call = ["run", package(), "Once upon a time", "--max-new-tokens", "3", "--threads", "2", "--seed", "1"]
    text = lambda end: end.said.split("[prompt")[0].strip()  # noqa: E731 (timings follow)
    reference = text(run(call))
    for number, point in _chosen(tally, count, call, lambda: None):
        end = _injected(call, point)
        good = end.kind == SENTENCE or (end.kind == DONE and text(end) == reference)
        tally.add(number, _told(point), str(end), good or _was_killed(end, point))


def inject_sign(tally: Tally, count: int) -> None:
    """Into sign: the package is sound whatever happens, signed as before or anew."""
    warm()
    out = fresh(tally.row)
    shutil.copytree(package(), out)
    call = ["sign", out, "--key", key(), "--overwrite"]
    assert run(call).kind == DONE
    for number, point in _chosen(tally, count, call, lambda: None):
        end = _injected(call, point)
        checked = run(["verify", out, "--signer", key().parent / "public.pem"])
        good = checked.kind == DONE and (end.kind in (DONE, SENTENCE) or _was_killed(end, point))
        tally.add(number, _told(point), f"{end} | then {checked}", good)


def _play(tally: Tally, count: int, arguments: list[object]) -> None:
    """Inject into runs that write a result."""
    out = fresh(tally.row)
    call = [out if argument == "{out}" else argument for argument in arguments]
    clear = lambda: shutil.rmtree(out, ignore_errors=True)  # noqa: E731
    for _ in range(2):
        clear()
        assert run(call, LIMIT).kind == DONE
    reference = contents(out)
    for number, point in _chosen(tally, count, call, clear):
        end = _injected(call, point)
        now = contents(out)
        whole = now == reference or (now is None and end.kind != DONE)
        good = whole and (end.kind in (DONE, SENTENCE) or _was_killed(end, point))
        told = (
            f"{end.kind}, {'whole' if now == reference else 'absent' if now is None else 'BROKEN'}: {end.said[-240:]}"
        )
        if good and number % 5 == 4:
            clear()
            end = run(call, LIMIT)
            beside = sorted(path.name for path in out.parent.iterdir() if path != out)
            good = end.kind == DONE and contents(out) == reference and not beside
            told = "completed" if good else f"next run {end.kind}: {end.said[-160:]}, beside it {beside}"
        tally.add(number, _told(point), told, good)
        clear()
        if not good:
            shutil.rmtree(out.parent)
            out.parent.mkdir()


def _chosen(tally: Tally, count: int, call: list[object], clear: Callable[[], object]):
    """The points to play, numbered: of all that there are, every one or `count` drawn by the seed."""
    clear()
    log = scratch() / f"{tally.row}.strace"
    end = _traced(call, ["-y", "-e", f"trace={','.join(CALLS)}"], log)
    assert end.kind == DONE, end
    clear()
    points = [(name, index, error) for name, index in _calls_on_our_files(log) for error in ERRORS]
    print(f"{tally.row}: {len(points)} points: {dict(Counter(point[0] for point in points))}", flush=True)
    random.Random(tally.seed).shuffle(points)
    for number, _ in tally.numbers(min(count, len(points))):
        yield number, points[number % len(points)]


def _calls_on_our_files(log: Path) -> list[tuple[str, int]]:
    """Name and number of each traced call that names a path of ours; strace counts each process by itself."""
    counts: Counter[tuple[str, str]] = Counter()
    found = {}
    for line in log.read_text(errors="replace").splitlines():
        if (match := LINE.match(line)) is None:
            continue
        process, name, rest = match.groups()
        counts[process, name] += 1
        if str(scratch()) in rest:
            found[name, counts[process, name]] = None
    return list(found)


def _injected(call: list[object], point: Point) -> End:
    name, index, error = point
    what = "signal=KILL" if error == "KILL" else f"error={error}"
    return _traced(call, ["-e", f"trace={name}", "-e", f"inject={name}:{what}:when={index}"], Path("/dev/null"))


def _traced(call: list[object], options: list[str], log: Path) -> End:
    """A call of the command line under strace, which is attached before the work begins."""
    child = Child(call, gate=True)
    tracer = subprocess.Popen(
        ["strace", "-f", "-qq", "-o", log, *options, "-p", str(child.pid)], stderr=subprocess.DEVNULL
    )
    status = Path(f"/proc/{child.pid}/status")
    until = time.monotonic() + 10
    while "TracerPid:\t0" in status.read_text():
        assert time.monotonic() < until and tracer.poll() is None, "strace cannot attach"
        time.sleep(0.002)
    child.open_gate()
    end = child.finish(LIMIT)
    try:
        tracer.wait(5)
    except subprocess.TimeoutExpired:
        tracer.terminate()
        tracer.wait()
    return end


def _was_killed(end: End, point: Point) -> bool:
    return point[2] == "KILL" and end.kind == SIGNAL and end.code == -9


def _told(point: Point) -> str:
    return f"{point[0]} number {point[1]}: {point[2]}"
