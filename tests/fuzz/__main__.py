"""`python -m tests.fuzz [TARGET…]`: let atheris look for inputs that a parser cannot take (pip install 'tyllm[fuzz]').

Each target runs in a process of its own and goes on from its corpus. What it finds lies in out/fuzz/<target>/ with the
log. With --keep, the inputs that reached new branches join the corpus, which `make test` feeds without the fuzzer.
"""

import argparse
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

from tests.fuzz.targets import CORPUS, TARGETS

OUT = Path("out/fuzz")
MOST_BYTES, MOST_SECONDS, MOST_MEGABYTES = 16384, 5, 2048  # of an input; of a run; of the process
MOST_KEPT = 1024  # bytes of an input that joins the corpus


def main() -> int:
    """Fuzz the targets named, or all; 1 if one of them found something."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=f"all, or some of: {', '.join(TARGETS)}")
    parser.add_argument("--runs", type=int, default=10_000_000, help="of each target")
    parser.add_argument("--seconds", type=int, default=0, help="after which a target ends; 0: never")
    parser.add_argument("--keep", action="store_true", help="add inputs that reached new branches to the corpus")
    given = parser.parse_args()
    unknown = [name for name in given.targets if name not in TARGETS]
    if unknown:
        parser.error(f"there is no target {unknown[0]}; the targets are {', '.join(TARGETS)}")
    rows = [(name, *fuzz(name, given.runs, given.seconds, keep=given.keep)) for name in given.targets or TARGETS]
    print("\n| parser | runs | runs a second | found |\n|---|---|---|---|")
    for name, runs, seconds, found in rows:
        print(f"| {name} | {runs:,} | {runs / seconds:,.0f} | {found} |")
    return int(any(found for *_, found in rows))


def fuzz(name: str, runs: int, seconds: int, *, keep: bool) -> tuple[int, float, int]:
    """Runs, seconds and findings of one target."""
    folder = OUT / name
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "new").mkdir(parents=True, exist_ok=True)
    target = [sys.executable, "-m", "tests.fuzz.run_target", name]
    limits = [f"-max_len={MOST_BYTES}", f"-timeout={MOST_SECONDS}", f"-rss_limit_mb={MOST_MEGABYTES}"]
    rest = [f"-runs={runs}", f"-max_total_time={seconds}", f"-artifact_prefix={folder}/", "-print_final_stats=1"]
    command = [*target, str(folder / "new"), str(CORPUS / name), *limits, *rest]
    start = time.monotonic()
    with (folder / "log").open("wb") as log:
        code = subprocess.run(command, stdout=log, stderr=log, check=False).returncode
    text = (folder / "log").read_text(errors="replace")
    done = re.findall(r"number_of_executed_units: (\d+)|#(\d+)\t", text)
    count = int(next(filter(None, reversed([part for pair in done for part in pair])), 0))
    print(f"{name}: {count:,} runs, {'found something: see ' + str(folder) if code else 'nothing found'}", flush=True)
    if keep:
        merge = [*target, "-merge=1", f"-max_len={MOST_KEPT}", str(CORPUS / name), str(folder / "new")]
        subprocess.run(merge, capture_output=True, check=False)
    return count, max(time.monotonic() - start, 1e-9), int(bool(code))


sys.exit(main())
