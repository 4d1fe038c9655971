"""Compiled code between pages that trap: reads and writes beyond arena, io, KV cache, parameters and constants end it.

`python -m tests.faults.guard_pages PACKAGE` runs a package and prints its greedy tokens; guard_pages.c, preloaded, puts
its memory between such pages. The row of the suite compares the tokens with those of an ordinary process.
"""

import ctypes
import json
import os
import subprocess
import sys
from functools import cache
from pathlib import Path

import numpy as np
from tests.faults.samples import COMPILE, REPO, checkpoint, scratch
from tests.faults.tally import Tally

SOURCE = Path(__file__).with_suffix(".c")
PROMPTS = (3, 4, 9, 17)  # tokens: less than a chunk, one, and more, with a rest
LIMIT = 300  # seconds


@cache
def library() -> Path:
    """guard_pages.c, compiled."""
    target = scratch() / "guard_pages.so"
    subprocess.run(["cc", "-O2", "-fPIC", "-shared", "-Wall", "-Werror", "-o", target, SOURCE], check=True)
    return target


def answers(package: Path) -> dict[str, object]:
    """Greedy tokens after prompts of several lengths, and after an image where the package takes one."""
    from tyllm.runtime import Session

    with Session(package, threads=2, slots=2) as session:
        vocabulary = session.info.vocab_size
        found: dict[str, object] = {}
        for count in PROMPTS:
            tokens = [(7 * i + 3) % (vocabulary - 16) for i in range(count)]
            result = session.generate(tokens, max_new_tokens=6, ignore_eos=True, slot=count % 2)
            found[str(count)] = result.token_ids
        if session.info.visual:
            for size in session.info.visual.sizes:
                image = (np.arange(size.height * size.width * 3) % 251).astype(np.uint8)
                content = [{"type": "image", "image": image.reshape(size.height, size.width, 3)}]
                found[size.name] = session.chat(
                    [{"role": "user", "content": content}], max_new_tokens=4, ignore_eos=True
                ).token_ids
        return found


def guarded_params(preloaded: ctypes.CDLL) -> None:
    """Let every executor read parameters and constants from copies between guards."""
    from tyllm.runtime.execute import executor

    original = executor.params_data

    def copied(path):
        data = original(path)
        if not data.size:
            return data
        start = preloaded.guarded_copy(ctypes.c_void_p(data.ctypes.data), ctypes.c_size_t(data.nbytes))
        return np.ctypeslib.as_array((ctypes.c_uint8 * data.nbytes).from_address(start))

    executor.params_data = copied


def run(package: Path, preloaded: Path | None = None, **options: str) -> tuple[int, str]:
    """Exit code, negative for a signal, and what was printed, with a library preloaded and more in the environment."""
    environment = os.environ | options | {"PYTHONPATH": f"{REPO / 'src'}:{REPO}"}
    if preloaded:
        environment["LD_PRELOAD"] = str(preloaded)
    done = subprocess.run(
        [sys.executable, "-X", "faulthandler", "-m", "tests.faults.guard_pages", package],
        capture_output=True, text=True, timeout=LIMIT, env=environment, cwd=REPO, check=False,
    )  # fmt: skip
    return done.returncode, done.stdout.strip() or done.stderr[-600:]


def packages():
    """Names of packages, each with the arguments that compile it."""
    for target in ("native", "x86-64", "x86-64-v3"):
        for dies in (1, 2, 3):
            for extra in ((), ("--activations", "float16"), ("--kv-cache-dtype", "int8")):
                yield ["--dies", dies, "--target", target, *extra]


def guard_pages(tally: Tally, count: int) -> None:
    """Play the row: packages of several forms, each with every prompt."""
    from tests.faults.child import DONE
    from tests.faults.child import run as run_child

    forms = list(packages())
    for number, _ in tally.numbers(min(count, len(forms))):
        form = forms[number]
        folder = scratch() / f"guarded-{number}"
        made = run_child(["compile", checkpoint(), folder, "--seq-lens", "1,4", *COMPILE, *form])
        if made.kind != DONE:
            tally.add(number, " ".join(map(str, form)), str(made), held=False)
            continue
        plain, guarded = run(folder), run(folder, library())
        held = guarded == plain and plain[0] == 0
        tally.add(number, " ".join(map(str, form)), "same tokens" if held else f"{plain} | {guarded}", held)


if __name__ == "__main__":
    preloaded = ctypes.CDLL(None)
    if hasattr(preloaded, "guarded_copy"):
        preloaded.guarded_copy.restype = ctypes.c_void_p
        guarded_params(preloaded)
    print(json.dumps(answers(Path(sys.argv[1]))))
    if hasattr(preloaded, "guarded_copy"):
        assert preloaded.guarded_regions() > len(PROMPTS)
