"""The C library under the sanitizers in real packages: compiled with them, run in a process that preloads theirs."""

import subprocess
from pathlib import Path

from tests.faults.child import run
from tests.faults.guard_pages import run as run_package
from tests.faults.samples import COMPILE, checkpoint, scratch
from tests.faults.tally import Tally

SANITIZERS = {
    "address": ("libasan.so", ["-fsanitize=address,undefined", "-fno-sanitize-recover=all"]),
    "thread": ("libtsan.so", ["-fsanitize=thread"]),
}
FORMS = [(dies, extra) for dies in (1, 2, 3) for extra in ((), ("--kv-cache-dtype", "int8"))]
OPTIONS = {"ASAN_OPTIONS": "detect_leaks=0", "TSAN_OPTIONS": "halt_on_error=1"}


def compile_sanitized(folder: Path, flags: list[str], arguments: list[object]) -> int:
    """Exit code of `tyllm compile` whose C files are compiled and linked with `flags` too; call it in a child."""
    from tyllm import native
    from tyllm.cli import main
    from tytvm import link

    own_flags, own_run = native.compile_flags, link._run
    native.compile_flags = lambda: [*own_flags(), "-g", "-fno-omit-frame-pointer", *flags]

    def run_with_flags(command, *others):
        if "-shared" in command:  # the sanitizer's own functions are defined in what is preloaded
            command = [*(part for part in command if part != "-Wl,-z,defs"), *flags]
        own_run(command, *others)

    link._run = run_with_flags
    return main(["compile", str(checkpoint()), str(folder), *map(str, arguments)])


def preloaded(library: str) -> Path:
    """Where the compiler has a sanitizer's library."""
    command = ["cc", f"-print-file-name={library}"]
    return Path(subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip())


def sanitizers(tally: Tally, count: int) -> None:
    """Play the row: forms of packages under each sanitizer."""
    cases = [(name, dies, extra) for name in SANITIZERS for dies, extra in FORMS]
    for number, _ in tally.numbers(min(count, len(cases))):
        name, dies, extra = cases[number]
        library, flags = SANITIZERS[name]
        folder = scratch() / f"sanitized-{number}"
        arguments = ["--dies", dies, "--seq-lens", "1,4", *COMPILE, *extra]
        made = run(lambda f=folder, c=flags, a=arguments: compile_sanitized(f, c, a))
        code, said = run_package(folder, preloaded(library), **OPTIONS) if folder.is_dir() else (-1, str(made))
        tally.add(number, f"{name}, {dies} dies {' '.join(extra)}", f"{code} {said}", held=code == 0)
