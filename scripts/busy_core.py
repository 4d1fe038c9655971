"""What is left of a package's decoding speed while another process takes a core: `make bench-busy`.

    python scripts/busy_core.py [PACKAGE ...] [--tokens 200] [--rounds 5] [--cores 0 1]

Without a package the small trained model is compiled for one die and for two, under out/busy_core. Rounds alternate:
idle, then with a busy loop of equal priority bound to each of the cores in turn; first with free threads, then with
threads bound to cores. Prints medians in tokens per second with the least and the greatest, and shares of the idle
median. The machine has to be idle otherwise.
"""

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path

from baselines.harness.markdown import table
from baselines.harness.spread import Spread

from tyllm.build_util import build_and_compile_llm
from tyllm.runtime import Session

MODEL = Path("models/tyllm-7m")
OUT = Path("out/busy_core")
PROMPT = tuple(range(5, 15))
SETTLE = 0.3  # seconds until the busy loop runs


@contextmanager
def busy(core: int) -> Iterator[subprocess.Popen[bytes]]:
    """A process that does nothing else than use this core."""
    loop = subprocess.Popen([sys.executable, "-c", f"import os; os.sched_setaffinity(0, [{core}])\nwhile True: pass"])
    try:
        time.sleep(SETTLE)
        yield loop
    finally:
        loop.kill()
        loop.wait()


def speed(session: Session, tokens: int) -> float:
    """Tokens per second of one generation."""
    start = time.perf_counter()
    session.generate(PROMPT, max_new_tokens=tokens, ignore_eos=True, temperature=0)
    return tokens / (time.perf_counter() - start)


def measure(session: Session, tokens: int, rounds: int, cores: Sequence[int]) -> dict[int | None, list[float]]:
    """Speeds by the core that is busy; None for none."""
    speeds: dict[int | None, list[float]] = {core: [] for core in (None, *cores)}
    speed(session, tokens)
    for _ in range(rounds):
        for core, found in speeds.items():
            with nullcontext() if core is None else busy(core):
                found.append(speed(session, tokens))
    return speeds


def row(name: str, speeds: dict[int | None, list[float]]) -> list[str]:
    """The table's row of a form: idle, and for each core the speed beside a busy loop and its share of the idle one."""
    idle, *beside = [spread for found in speeds.values() if (spread := Spread.of(found))]
    return [name, idle.text(), *(f"{each.text()}: {each.median / idle.median:.0%}" for each in beside)]


def small_packages() -> list[Path]:
    """The small trained model for one die and for two, compiled anew: the runtime is part of a package."""
    packages = [OUT / f"{dies}die" for dies in (1, 2)]
    for dies, package in enumerate(packages, 1):
        build_and_compile_llm(MODEL, package, seq_len_list=(1, 32), dev_count=dies, quantize="rtn", overwrite=True)
    return packages


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("packages", nargs="*", type=Path, metavar="PACKAGE")
    parser.add_argument("--tokens", type=int, default=200, help="tokens of a generation")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--cores", type=int, nargs="+", default=sorted(os.sched_getaffinity(0))[:2], help="to be busy")
    parser.add_argument("--threads", type=int, default=None, help="of the session; one a core if left out")
    asked = parser.parse_args()
    rows = [["package, threads", "idle", *(f"core {core} busy" for core in asked.cores)]]
    for package in asked.packages or small_packages():
        for pin in (False, True):
            with Session(package, threads=asked.threads, pin=pin) as session:
                name = f"{package.name}, {session.threads} {'bound' if pin else 'free'}"
                rows.append(row(name, measure(session, asked.tokens, asked.rounds, asked.cores)))
            print(table([rows[0], rows[-1]]).splitlines()[-1], file=sys.stderr, flush=True)
    print(table(rows))


if __name__ == "__main__":
    main()
