"""`python -m tests.faults [ROW…]`: play rows, print the table *fault – tries – held*, write it to out/faults/."""

import argparse
import json
import sys
import time
from pathlib import Path

from tests.faults.samples import REPO
from tests.faults.tally import Tally


def main() -> int:
    """Play the rows that the arguments name, or all; 1 if a try did not hold."""
    from tests.faults.rows import ROWS

    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("rows", nargs="*", metavar="ROW", help=f"all, or some of: {', '.join(ROWS)}")
    parser.add_argument("--tries", type=int, help="tries of each row, instead of its own number")
    parser.add_argument("--fast", action="store_true", help="the few tries that `make test` plays")
    parser.add_argument("--only", type=int, action="append", help="play this try alone; may be given several times")
    parser.add_argument("--seed", type=int, default=0, help="another seed plays other tries")
    parser.add_argument("--limit", type=float, default=float("inf"), help="seconds after which a row begins no new try")
    parser.add_argument("--out", type=Path, default=REPO / "out" / "faults", help="where the JSON files go")
    given = parser.parse_args()
    unknown = [name for name in given.rows if name not in ROWS]
    if unknown:
        parser.error(f"there is no row {unknown[0]}; the rows are {', '.join(ROWS)}")
    tallies = []
    for name in given.rows or ROWS:
        tally = Tally(name, given.seed, given.limit, tuple(given.only) if given.only else None)
        row = ROWS[name]
        row.play(tally, given.tries or (row.fast if given.fast else row.full))
        tallies.append(tally)
        given.out.mkdir(parents=True, exist_ok=True)
        written = tally.as_json() | {"says": row.says, "date": time.strftime("%Y-%m-%d")}
        (given.out / f"{name}.json").write_text(json.dumps(written, indent=2) + "\n")
    print("\n| fault | tries | held |\n|---|---|---|")
    for tally in tallies:
        print(f"| {ROWS[tally.row].says} | {tally.tries:,} | {tally.held:,} |")
    return int(any(tally.held < tally.tries for tally in tallies))


sys.exit(main())
