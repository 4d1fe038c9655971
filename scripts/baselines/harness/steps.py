"""Runs the commands that make environments and models: each once, with a log, its result whole or not there."""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from baselines.harness.paths import LOGS, SCRIPTS

# Libraries read these; a value meant for the caller must not change how the programs run.
UNWANTED = ("OMP_WAIT_POLICY", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "KMP_BLOCKTIME", "PYTHONPATH")


class StepError(Exception):
    """A command failed; the message names it and its log."""


def say(text: str) -> None:
    """One line of progress."""
    print(text, file=sys.stderr, flush=True)


def clean_environment(added: Mapping[str, str] | None = None) -> dict[str, str]:
    """This process's variables without those that change how programs run, and with `added`.

    PYTHONPATH is `scripts`, so that drivers find `baselines`, after the folders that `added` has there.
    """
    kept = {name: value for name, value in os.environ.items() if name not in UNWANTED} | dict(added or {})
    return kept | {"PYTHONPATH": os.pathsep.join(filter(None, [kept.get("PYTHONPATH"), str(SCRIPTS)]))}


def run(command: Sequence[str | Path], log: str, added: Mapping[str, str] | None = None) -> None:
    """Run a command, its output appended to log/`log`.log; raises `StepError`."""
    LOGS.mkdir(parents=True, exist_ok=True)
    path = LOGS / f"{log}.log"
    with path.open("ab") as output:
        words = [str(word) for word in command]
        output.write(f"$ {' '.join(words)}\n".encode())
        output.flush()
        try:
            status = subprocess.run(words, stdout=output, stderr=output, env=clean_environment(added)).returncode
        except OSError as error:
            raise StepError(f"{words[0]}: {error.strerror}") from error
    if status:
        raise StepError(f"{Path(words[0]).name} ended with status {status}; see {path}")


def make(target: Path, what: str, recipe: Callable[[Path], None]) -> Path:
    """`target`, made by `recipe(path)` beside its place and renamed, unless it is there; raises `StepError`."""
    if target.exists():
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f"{target.name}.part")
    remove(part)
    started = time.monotonic()
    say(f"making {what} …")
    recipe(part)
    part.rename(target)
    say(f"made {what} in {time.monotonic() - started:.0f} s")
    return target


def remove(path: Path) -> None:
    """Delete a file, folder or link if it is there."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
