"""Files that are replaced, rewritten, cut or removed under an open session.

Held: the session goes on as if nothing had happened, or refuses with a sentence; and what is opened anew is refused, or
is the other package whole. Weights that are mapped are the exception, which SECURITY.md tells: they are replaced, never
rewritten in place.
"""

import shutil
from pathlib import Path

from tests.faults import batch
from tests.faults.samples import fresh, other_package, package, warm
from tests.faults.tally import Tally

WAYS = ("replace", "remove", "rewrite", "cut", "empty", "swap the folder")
IN_PLACE = ("rewrite", "cut", "empty")


def change_under_session(tally: Tally, count: int) -> None:
    """Every file in every way, before the session's first use and after it."""
    warm()
    first, second = package(), other_package()
    names = [str(path.relative_to(first)) for path in sorted(first.rglob("*")) if path.is_file()]
    faults = [(name, way) for way in WAYS for name in names if not (name.endswith(".params") and way in IN_PLACE)]
    expected = {}

    def one(number, chance):
        from tyllm.runtime import Session

        for source in (first, second):
            if source not in expected:
                with Session(source, threads=2) as session:
                    expected[source] = _answers(session)
        assert expected[first] != expected[second]
        name, way = faults[number // 2 % len(faults)]
        used = bool(number % 2)
        folder = shutil.copytree(first, fresh(f"{tally.row}-{number % 7}"))
        with Session(folder, threads=2) as session:
            before = _answers(session) if used else expected[first]
            _change(folder, name, way, second, chance)
            after = _or_sentence(lambda: _answers(session))
        anew = _or_sentence(lambda: _answers_of(folder))
        goes_on = before == expected[first] and after in (expected[first], None)
        allowed = (None, expected[second]) if way == "swap the folder" else (None,)
        same = (folder / name).is_file() and (folder / name).read_bytes() == (first / name).read_bytes()
        opened = anew in allowed or (same and anew == expected[first])
        fault = f"{way} {name} {'after' if used else 'before'} its first use"
        end = "goes on" if after else "sentence"
        return (
            fault,
            f"{end if goes_on else f'OTHER ANSWERS {after}'}, anew: {anew if not opened else 'right'}",
            goes_on and opened,
        )

    batch.play(tally, count, one, limit=30.0, per_child=20)


def _answers(session) -> list[object]:
    """What shows weights, tokenizer and template."""
    return [
        session.generate([5, 6, 7, 8], max_new_tokens=6, ignore_eos=True).token_ids,
        session.generate("Once upon a time", max_new_tokens=6, ignore_eos=True).text,
        session.chat([{"role": "user", "content": "Hello"}], max_new_tokens=6, ignore_eos=True).text,
    ]


def _answers_of(folder: Path) -> list[object]:
    from tyllm.runtime import Session

    with Session(folder, threads=2) as session:
        return _answers(session)


def _or_sentence(answers):
    """The answers; None for a sentence."""
    from tyllm_base.errors import TyllmError

    try:
        return answers()
    except TyllmError:
        return None


def _change(folder: Path, name: str, way: str, other: Path, chance) -> None:
    """Do to a file what an installer, an editor or an accident does."""
    path, theirs = folder / name, (other / name).read_bytes()
    if way == "swap the folder":
        folder.rename(folder.with_name("old"))
        shutil.copytree(other, folder)
    elif way == "remove":
        path.unlink()
    elif way == "replace":
        path.with_name("new").write_bytes(theirs or b"not empty")
        path.with_name("new").replace(path)
    elif way == "rewrite":
        with path.open("r+b") as file:
            file.write(theirs or b"not empty")
            file.truncate()
    else:
        size = path.stat().st_size
        with path.open("r+b") as file:
            file.truncate(0 if way == "empty" else chance.randrange(size) if size else 0)
