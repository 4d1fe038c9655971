"""Flipped bits and truncations of every file of a package: each is refused when the package is opened."""

import shutil

from tests.faults import batch
from tests.faults.samples import fresh, package, vision_package, warm
from tests.faults.tally import Tally

ACCEPTED, REFUSED = "accepted", "refused"


def flips(tally: Tally, count: int) -> None:
    """One bit of one file, the files in turn."""
    _play(tally, count, _flip)


def truncations(tally: Tally, count: int) -> None:
    """One file cut anywhere, the files in turn."""
    _play(tally, count, _truncate)


def _play(tally: Tally, count: int, change) -> None:
    """Damage a copy, open or verify it, mend it."""
    warm()
    sources = [package()] if count < 100 else [package(), vision_package()]
    places = []
    for source in sources:
        copy = shutil.copytree(source, fresh(f"{tally.row}-{source.name}"))
        places += [(copy, path) for path in sorted(copy.rglob("*")) if path.is_file() and path.stat().st_size]

    def one(number, chance):
        from tyllm.package import open_package, verify_package
        from tyllm_base.errors import TyllmError

        folder, path = places[number % len(places)]
        good = path.read_bytes()
        what, damaged = change(good, chance)
        path.write_bytes(damaged)
        check = verify_package if number // len(places) % 4 == 3 else open_package
        try:
            check(folder)
            end, held = ACCEPTED, False
        except TyllmError as error:
            end, held = REFUSED, error.exit_code == 6 and "\n" not in str(error)
        finally:
            path.write_bytes(good)
        return f"{path.relative_to(folder)} {what}, {check.__name__}", end, held

    batch.play(tally, count, one, limit=20.0)


def _flip(data: bytes, chance) -> tuple[str, bytes]:
    at, bit = chance.randrange(len(data)), chance.randrange(8)
    changed = bytearray(data)
    changed[at] ^= 1 << bit
    return f"bit {bit} of byte {at} ({data[max(0, at - 12) : at + 4]!r})", bytes(changed)


def _truncate(data: bytes, chance) -> tuple[str, bytes]:
    at = chance.randrange(len(data))
    return f"cut at {at} of {len(data)}", data[:at]
