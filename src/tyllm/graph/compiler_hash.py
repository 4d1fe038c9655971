"""Compiler hash: of all that decides the bytes of a compiled module, beside the graph and the settings.

The project's own sources are found by following imports, so that a new file counts without being listed. A source that
the graph compiler cannot reach decides nothing.
"""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Iterator
from functools import cache
from importlib.metadata import version
from pathlib import Path

from tyllm import __version__, native
from tyllm_base.child_processes import run_child
from tyllm_base.errors import BuildError
from tytvm.link import c_compiler
from tytvm.target import InstructionSet

SOURCE_FOLDER = Path(__file__).parents[2]
"""Where the project's packages lie."""
PACKAGES = ("tyllm", "tytvm", "hf_checkpoint")
"""How the names of the packages that are followed begin; the quantizer is none of them: weights come from torch."""
VERSIONED = ("apache-tvm", "apache-tvm-ffi", "numpy", "torch")
"""What others wrote and counts by its version."""
ENTRY = "tyllm.graph.compile_graph"
"""The module from which imports are followed."""


@cache
def compiler_hash(spec: InstructionSet) -> str:
    """SHA-256 (hexadecimal) of the compiler's sources, and of the versions of what it uses, for a target.

    Computed once in a process. Where there is no C compiler, that is hashed: nothing can be compiled then.
    """
    digest = hashlib.sha256("\n".join(versions(spec)).encode())
    for path in compiler_sources():
        digest.update(f"\n{path.relative_to(SOURCE_FOLDER).as_posix()}\n".encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()


def versions(spec: InstructionSet) -> tuple[str, ...]:
    """This project's version, those of the packages that compile, and the C compiler's."""
    packages = (f"{name} {version(name)}" for name in VERSIONED)
    return (f"tyllm {__version__}", *packages, _c_compiler_version(spec))


def compiler_sources() -> list[Path]:
    """The Python files that are imported to compile a graph, lazily or not, and the native library's C files."""
    found: set[Path] = set()
    waiting = [ENTRY]
    while waiting:
        path = _file_of(waiting.pop())
        if path is not None and path not in found:
            found.add(path)
            waiting += imported_names(path)
    return sorted([*found, *native.sources(), *native.headers()])


def imported_names(path: Path) -> Iterator[str]:
    """Dotted names of the modules that a Python file of the project may import, anywhere in it."""
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        else:
            continue
        for name in names:
            parts = name.split(".")
            if parts[0].startswith(PACKAGES):
                yield from (".".join(parts[:length]) for length in range(1, len(parts) + 1))


def _file_of(module: str) -> Path | None:
    """The file of one of the project's modules; None where the name is a function's or a class's."""
    stem = SOURCE_FOLDER.joinpath(*module.split("."))
    candidates = (stem.with_name(f"{stem.name}.py"), stem / "__init__.py")
    return next((path for path in candidates if path.is_file()), None)


def _c_compiler_version(spec: InstructionSet) -> str:
    """The output of `--version` of the C compiler."""
    try:
        command = [*c_compiler(spec), "--version"]
    except BuildError:
        return "no C compiler"
    return run_child(command).stdout
