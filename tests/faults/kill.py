"""kill -9 at random moments of quantize, compile, compile --overwrite and sign.

Held: at the output's place there is all or nothing, under --overwrite and sign what was there or what comes; the next
run goes through and gives the same bytes, and leaves nothing of the killed ones.
"""

import shutil
import time
from collections.abc import Callable
from pathlib import Path

from tests.faults.child import DONE, KILLED, SENTENCE, Child, contents, run
from tests.faults.remembered_code import remembered_code
from tests.faults.samples import COMPILE, QUANTIZE, checkpoint, fresh, key, package, warm
from tests.faults.tally import Tally

from tyllm_base.output_place import LOCK, OWN

LATE = 0.4  # share of the kills in the last quarter of the run, where the result takes its place
LIMIT = 120.0


def kill_quantize(tally: Tally, count: int) -> None:
    """A killed quantization is resumed by the next one."""
    warm()
    _play(tally, count, ["quantize", checkpoint(), "{out}", *QUANTIZE])


def kill_compile(tally: Tally, count: int) -> None:
    """A killed compile leaves no package."""
    warm()
    arguments = ["compile", checkpoint(), "{out}", "--seq-lens", "1", *COMPILE]
    with remembered_code(arguments):
        _play(tally, count, arguments)


def kill_overwrite(tally: Tally, count: int) -> None:
    """A killed compile --overwrite leaves the package that was there, or the new one."""
    warm()
    arguments = ["compile", checkpoint(), "{out}", "--seq-lens", "1", *COMPILE, "--overwrite"]
    with remembered_code(arguments):
        _play(tally, count, arguments, lambda out: shutil.copytree(package(), out, dirs_exist_ok=True))


def kill_sign(tally: Tally, count: int) -> None:
    """A killed signing leaves a package that opens, with the signature that it had or the new one."""
    warm()
    _play_sign(tally, count)


def _play(tally: Tally, count: int, arguments: list[object], prepare: Callable[[Path], object] | None = None) -> None:
    """Kill runs one after the other at one output; what they leave is there for the next.

    Args:
        tally: counts.
        count: kills.
        arguments: of the command line, "{out}" for the output.
        prepare: puts there what an --overwrite replaces.
    """
    out = fresh(tally.row)
    call = [out if argument == "{out}" else argument for argument in arguments]
    reference, seconds = _undisturbed(call, out, prepare)
    before = None
    if prepare:
        _clear(out)
        prepare(out)
        before = contents(out)
    for number, chance in tally.numbers(count):
        if prepare and contents(out) != before:
            _clear(out)
            prepare(out)
        moment = seconds * (chance.uniform(0.75, 1.05) if chance.random() < LATE else chance.uniform(0, 1))
        child = Child(call)
        end = child.wait(moment)
        killed = end is None
        end = child.kill() if killed else end
        now = contents(out)
        if killed and now:
            now.pop(f"{OWN}{LOCK}", None)  # whoever opens the folder looks past it, and the next run removes it
        found = "whole" if now == reference else "as before" if now == before else "absent" if now is None else "broken"
        good = end.kind in (DONE, KILLED) and (found == "whole" or (killed and found == "as before"))
        finished_with_remains = killed and found == "whole" and not prepare and _beside(out)
        if good and (not killed or finished_with_remains or number % 10 == 9):
            good, found = _complete(call, out, reference, clear=not (prepare or finished_with_remains))
        tally.add(number, f"kill at {moment:.3f} of {seconds:.3f} s", f"{found}: {end}", good)
        if not good:
            _clear(out.parent)
            out.parent.mkdir()
        elif not prepare and out.exists():
            _clear(out)


def _undisturbed(call: list[object], out: Path, prepare) -> tuple[dict[str, bytes], float]:
    """What a run gives that nobody kills, and the seconds that it takes: the second one's, for the first is cold."""
    for _ in range(2):
        _clear(out)
        if prepare:
            prepare(out)
        started = time.monotonic()
        end = run(call, LIMIT)
        seconds = time.monotonic() - started
        assert end.kind == DONE, end
    found = contents(out)
    _clear(out)
    return found, seconds


def _complete(call, out: Path, reference, clear: bool) -> tuple[bool, str]:
    """Whether a run that nobody kills gives the reference, or says that it is there, and leaves nothing beside it."""
    if clear:
        _clear(out)
    end = run(call, LIMIT)
    says_so = not clear and end.kind == SENTENCE and ("removed now" in end.said or "is finished" in end.said)
    good = (end.kind == DONE or says_so) and contents(out) == reference and not _beside(out)
    return good, "completed" if good else f"next run: {end.kind} {end.said[-160:]}, beside it {_beside(out)}"


def _beside(out: Path) -> list[str]:
    """What lies beside a result."""
    return sorted(path.name for path in out.parent.iterdir() if path != out)


def _play_sign(tally: Tally, count: int) -> None:
    """Kill signings of one package, unsigned or signed before."""
    out = fresh(tally.row)
    call = ["sign", out, "--key", key(), "--overwrite"]
    shutil.copytree(package(), out)
    started = time.monotonic()
    assert run(call).kind == DONE
    seconds = time.monotonic() - started
    old = (out / "model.sig").read_bytes()
    for number, chance in tally.numbers(count):
        (out / "model.sig").unlink(missing_ok=True)
        signed = bool(number % 2)
        if signed:
            (out / "model.sig").write_bytes(old)
        moment = seconds * (chance.uniform(0.75, 1.05) if chance.random() < LATE else chance.uniform(0, 1))
        child = Child(call)
        end = child.wait(moment) or child.kill()
        now = (out / "model.sig").read_bytes() if (out / "model.sig").exists() else None
        demanded = ["--signer", key().parent / "public.pem"] if now else []
        checked = run(["verify", out, *demanded])
        good = checked.kind == DONE and (now is not None or not signed) and end.kind in (DONE, KILLED)
        tally.add(number, f"kill at {moment:.3f} of {seconds:.3f} s", f"{checked.kind}: {checked.said[-200:]}", good)


def _clear(path: Path) -> None:
    shutil.rmtree(path, ignore_errors=True)
