"""Kills quantizing runs by SIGKILL at random moments, lets each go on, and compares every byte with an undisturbed run.

    python scripts/kill_and_resume.py models/tyllm-7m --work /tmp/kill -- --max-samples 8 --max-length 256

prints a table and ends with 1 unless all folders are the same and nothing is left beside. What follows `--` goes to
`tyllm quantize`. Four fifths of the kills are spread evenly over the whole run, the rest come while the finished parts
are gathered.
"""

import argparse
import hashlib
import os
import random
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

POLL = 0.0005  # seconds between two looks for the folder in which the result is gathered


@dataclass(frozen=True)
class Subject:
    """A checkpoint to quantize, and the options of `tyllm quantize`."""

    checkpoint: Path
    options: list[str]

    def start(self, output: Path, log: Path) -> subprocess.Popen[bytes]:
        """Start a run that writes `output`, its messages into `log`."""
        command = [sys.executable, "-m", "tyllm", "quantize", str(self.checkpoint), str(output), *self.options]
        with log.open("ab") as file:
            return subprocess.Popen(command, stdout=file, stderr=file)

    def finish(self, output: Path, log: Path) -> float:
        """Run to the end; returns the CPU seconds that it took."""
        before = os.times()
        if self.start(output, log).wait():
            raise SystemExit(f"The run failed:\n{log.read_text()[-2000:]}")
        after = os.times()
        return after.children_user + after.children_system - before.children_user - before.children_system


@dataclass(frozen=True)
class Moment:
    """When to kill: after so many CPU seconds of the run, or so many seconds after the gathering began."""

    seconds: float
    gathering: bool = False

    def wait(self, run: subprocess.Popen[bytes], output: Path) -> None:
        """Return at the moment, or when the run has ended."""
        while self.gathering and run.poll() is None and not is_gathering(output):
            time.sleep(POLL)
        began = time.monotonic()
        clock = (lambda: time.monotonic() - began) if self.gathering else (lambda: cpu_seconds(run.pid))
        while run.poll() is None and clock() < self.seconds:
            time.sleep(POLL if self.gathering else 10 * POLL)


def cpu_seconds(process: int) -> float:
    """User and system seconds of a running process (Linux); a loaded machine does not hurry or slow this clock."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Outcome:
    """One killed run: when it was killed, what lay there then, and whether it ended in the same bytes."""

    moment: str
    left: str
    same: bool


def main() -> int:
    """Run and print the table; 1 if a folder differs or too few runs could be killed."""
    own, options = split_arguments(sys.argv[1:])
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("--work", type=Path, required=True, help="a folder for the results, emptied first")
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args(own)
    shutil.rmtree(arguments.work, ignore_errors=True)
    arguments.work.mkdir(parents=True)
    subject, whole = Subject(arguments.checkpoint, options), arguments.work / "undisturbed"
    seconds = subject.finish(whole, arguments.work / "log")
    wanted, gathering = digests(whole), gathering_seconds(subject, arguments.work)
    print(f"undisturbed: {len(wanted)} files in {seconds:.1f} CPU seconds, gathering takes {gathering:.2f} s\n")
    print("| kill | moment | left on disk | resumed to the same bytes |\n|---:|---|---|---|", flush=True)
    outcomes = []
    for number, moment in enumerate(moments(arguments.kills, seconds, gathering, random.Random(arguments.seed))):
        outcomes.append(killed(subject, arguments.work / f"run-{number:02}", moment, wanted))
        last = outcomes[-1]
        print(f"| {number + 1} | {last.moment} | {last.left} | {'yes' if last.same else 'NO'} |", flush=True)
    good = sum(outcome.same for outcome in outcomes)
    print(f"\n{good} of {len(outcomes)} the same")
    return int(good < len(outcomes))


def split_arguments(given: list[str]) -> tuple[list[str], list[str]]:
    """Our own arguments, and those behind `--`."""
    cut = given.index("--") if "--" in given else len(given)
    return given[:cut], given[cut + 1 :]


def moments(count: int, seconds: float, gathering: float, dice: random.Random) -> list[Moment]:
    """`count` moments, each at random within its own share of the run, the last fifth within the gathering."""
    late = count // 5
    early = count - late
    anywhere = [Moment(seconds * (index + dice.random()) / early) for index in range(early)]
    return anywhere + [Moment(gathering * (index + dice.random()) / late, gathering=True) for index in range(late)]


def gathering_seconds(subject: Subject, work: Path) -> float:
    """Seconds that the gathering takes."""
    output, log = work / "timed", work / "log"
    run = subject.start(output, log)
    Moment(0.0, gathering=True).wait(run, output)
    began = time.monotonic()
    while run.poll() is None and not output.exists():
        time.sleep(POLL)
    took = time.monotonic() - began
    run.wait()
    shutil.rmtree(output)
    return took


def killed(subject: Subject, output: Path, moment: Moment, wanted: dict[str, str]) -> Outcome:
    """Kill a run at the moment, let it go on, compare; a run that ended before is killed again, a bit earlier."""
    log = output.with_suffix(".log")
    while True:
        run = subject.start(output, log)
        moment.wait(run, output)
        run.kill()
        if run.wait() < 0:
            break
        shutil.rmtree(output)
        moment = Moment(moment.seconds * 0.9, moment.gathering)
    left = remains(output)
    if not output.exists():
        subject.finish(output, log)
    else:
        subject.start(output, log).wait()  # ends with 7: it is finished, and what was left beside it goes
    same = digests(output) == wanted and not litter(output)
    if same:
        shutil.rmtree(output)
    where = f"{moment.seconds:.3f} s into the gathering" if moment.gathering else f"{moment.seconds:.1f} CPU seconds"
    return Outcome(where, left, same)


def remains(output: Path) -> str:
    """The remains of a killed run: its parts, a result that is being gathered, or the whole result."""
    parts = [path.name for path in sorted(partial_folder(output).glob("*"))]
    layers = sum(name.startswith("layer-") and name.endswith(".part") for name in parts)
    half = sum(name.endswith((".tmp", ".activations")) for name in parts)
    words = [f"{layers} layers", "the rest" if "rest.part" in parts else "", f"{half} unfinished files" if half else ""]
    words += ["half a result" if is_gathering(output) else "", "the result" if output.exists() else ""]
    return ", ".join(word for word in words if word)


def litter(output: Path) -> list[Path]:
    """What a run has left beside its result."""
    return [path for path in (partial_folder(output), *output.parent.glob(f".{output.name}.*")) if path.exists()]


def partial_folder(output: Path) -> Path:
    """Where a run keeps its parts."""
    return output.with_name(f"{output.name}.partial")


def is_gathering(output: Path) -> bool:
    """Whether there is the folder in which a run gathers its result."""
    return output.with_name(f".{output.name}.tyllm.tmp").exists()


def digests(folder: Path) -> dict[str, str]:
    """The SHA-256 of every file in a folder, by its name."""
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(folder.iterdir())}


if __name__ == "__main__":
    raise SystemExit(main())
