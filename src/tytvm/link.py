"""Link: a program's object and the runtime's C sources become one shared object that needs only the C library."""

from __future__ import annotations

import platform
import sys
from collections.abc import Sequence
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from tyllm_base import machine
from tyllm_base.child_processes import run_child
from tyllm_base.errors import BuildError
from tytvm.target import InstructionSet

LINKER = ("-z,defs", "-Bsymbolic", "--build-id=none", "--fatal-warnings")
"""No undefined symbols; calls inside stay inside, without a detour over a table; the same bytes every time; and what
the linker could not read of an object, of which it only warns, is an error."""


@cache
def c_compiler(spec: InstructionSet) -> tuple[str, ...]:
    """The command that compiles C for a target: the system's, or zig's for another machine.

    Raises:
        BuildError: there is none.
    """
    is_native = spec.machine == platform.machine()
    if is_native and (found := machine.c_compiler()):
        return (found,)
    if find_spec("ziglang"):
        return (sys.executable, "-m", "ziglang", "cc", "-target", spec.triple)
    cure = "install gcc or clang" if is_native else "pip install 'tyllm[cross]'"
    raise BuildError(f"No C compiler for {spec.triple} was found; {cure}.")


def compile_c(sources: Sequence[Path], flags: Sequence[str], folder: Path, spec: InstructionSet) -> list[Path]:
    """Objects of C sources, in `folder`.

    Raises:
        BuildError: there is no compiler, or it refused.
    """
    objects = [folder / f"{source.stem}.o" for source in sources]
    for source, target in zip(sources, objects, strict=True):
        _run([*c_compiler(spec), *instruction_flags(spec), *flags, "-c", str(source), "-o", str(target)], folder)
    return objects


def instruction_flags(spec: InstructionSet) -> tuple[str, ...]:
    """Flags that let C use the target's instructions, and tell it of them by macros; x86 only, others need none yet."""
    if spec.machine != "x86_64":
        return ()
    is_zig = "ziglang" in c_compiler(spec)  # spells the CPUs in its own way
    cpu = spec.cpu.replace("-", "_") if is_zig else spec.cpu
    return (f"-march={cpu}", *(f"-m{feature[1:]}" for feature in spec.features if feature.startswith("+")))


def link(objects: Sequence[Path], output: Path, spec: InstructionSet) -> None:
    """One stripped shared object; an undefined symbol is an error now, not at load.

    Raises:
        BuildError: there is no compiler, or it refused.
    """
    options = ["-shared", "-pthread", "-s", *(f"-Wl,{option}" for option in LINKER)]
    _run([*c_compiler(spec), *options, "-o", str(output), *map(str, objects), "-lm"], output.parent)


def _run(command: list[str], folder: Path) -> None:
    """Run the compiler; its own temporary files go into `folder`, and with it."""
    try:
        done = run_child(command, {"TMPDIR": str(folder.absolute())})
    except OSError as error:
        raise BuildError(
            f"{command[0]} cannot be started ({error.strerror}); end other programs, or install the compiler again."
        ) from error
    if done.returncode:
        complaint = (done.stderr.strip() or done.stdout.strip() or "no message").splitlines()[0]
        raise BuildError(f"{Path(command[0]).name} failed with status {done.returncode}: {complaint}")
