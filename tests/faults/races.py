"""Two writers of one output at the same time, with settings of their own.

Held: each ends well or in a sentence, one of them at least well, and what is there is one of the two results, whole.
"""

import shutil

from tests.faults.child import DONE, SENTENCE, Child, contents, run
from tests.faults.remembered_code import remembered_code
from tests.faults.samples import COMPILE, QUANTIZE, checkpoint, fresh, key, package, warm
from tests.faults.tally import Tally

LIMIT = 120.0


def race_quantize(tally: Tally, count: int) -> None:
    """Two quantizations, in groups of 32 and of 64."""
    warm()
    base = ["quantize", checkpoint(), "{out}", *QUANTIZE[:-1]]
    _play(tally, count, [*base, "32"], [*base, "64"])


def race_compile(tally: Tally, count: int) -> None:
    """Two compiles, for one die and for two; half of them with --overwrite."""
    warm()
    base = ["compile", checkpoint(), "{out}", "--seq-lens", "1", *COMPILE, "--dies"]
    with remembered_code([*base, "1"], [*base, "2"]):
        _play(tally, count, [*base, "1"], [*base, "2"], "--overwrite")


def race_sign(tally: Tally, count: int) -> None:
    """Two signings of one package."""
    warm()
    out = shutil.copytree(package(), fresh(tally.row))
    call = ["sign", out, "--key", key(), "--overwrite"]
    for number, chance in tally.numbers(count):
        children = [Child(call)]
        children[0].wait(chance.uniform(0, 0.1))
        children.append(Child(call))
        ends = _ends(children)
        checked = run(["verify", out, "--signer", key().parent / "public.pem"])
        good = checked.kind == DONE and _good(ends)
        tally.add(number, "two signings", f"{[end.kind for end in ends]}, then {checked}", good)


def _play(tally: Tally, count: int, first: list[object], second: list[object], sometimes: str | None = None) -> None:
    out = fresh(tally.row)
    calls = [[out if argument == "{out}" else argument for argument in call] for call in (first, second)]
    references = []
    for call in calls:
        shutil.rmtree(out, ignore_errors=True)
        assert run(call, LIMIT).kind == DONE
        references.append(contents(out))
    for number, chance in tally.numbers(count):
        shutil.rmtree(out.parent)
        out.parent.mkdir()
        options = [sometimes] if sometimes and number % 2 else []
        order = [0, 1] if number % 4 < 2 else [1, 0]
        children = [Child([*calls[order[0]], *options])]
        pause = chance.uniform(0, 0.3)
        children[0].wait(pause)
        children.append(Child([*calls[order[1]], *options]))
        ends = _ends(children)
        now = contents(out)
        beside = sorted(path.name for path in out.parent.iterdir() if path != out)
        good = _good(ends) and now in references and not beside
        state = "whole" if now in references else "absent" if now is None else "BROKEN"
        told = f"{[end.kind for end in ends]}, {state}, beside it {beside}: {[end.said[-160:] for end in ends]}"
        tally.add(number, f"{pause:.3f} s apart", told, good)


def _ends(children: list[Child]) -> list:
    return [child.finish(LIMIT) for child in children]


def _good(ends: list) -> bool:
    return all(end.kind in (DONE, SENTENCE) for end in ends) and any(end.kind == DONE for end in ends)
