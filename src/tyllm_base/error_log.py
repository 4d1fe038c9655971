"""The log of an internal error: traceback, versions and the command without its values, in a file that one can send."""

from __future__ import annotations

import os
import platform
import re
import sys
import tempfile
import time
import traceback
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from tyllm_base.user_folders import writable_cache_folder

FOLDER = "errors"
MOST_KEPT = 20
OPTION = re.compile(r"--?[a-z][a-z-]*")
VERSIONED = ("tyllm", "numpy", "tokenizers", "jinja2", "pillow", "torch", "transformers", "apache-tvm", "safetensors")


def write_error_log(error: BaseException) -> Path | None:
    """Write the log into the user's cache, or into the system's folder for temporary files.

    Returns:
        The file; None where neither can be written.
    """
    with suppress(Exception):
        text = error_log(error)
        if folder := writable_cache_folder(FOLDER):
            with suppress(OSError):
                return _write(folder, text)
        return _write(Path(tempfile.gettempdir()), text)
    return None


def _write(folder: Path, text: str) -> Path:
    stamp = time.strftime("%Y%m%d-%H%M%S", time.gmtime())
    number, name = tempfile.mkstemp(".log", f"tyllm-{stamp}-{os.getpid()}-", folder)
    with os.fdopen(number, "w", encoding="utf-8", errors="backslashreplace") as file:
        file.write(text)
    for old in sorted(folder.glob("tyllm-*.log"))[:-MOST_KEPT]:
        with suppress(OSError):
            old.unlink()
    return Path(name)


def error_log(error: BaseException) -> str:
    """The log's text; arguments' values are left out, for they may be private."""
    versions = ", ".join(f"{name} {_version(name)}" for name in VERSIONED)
    head = f"Command: {command_words()}\nPython {platform.python_version()}, {platform.platform()}\n{versions}\n\n"
    return head + "".join(traceback.format_exception(error))


def command_words() -> str:
    """The program, its subcommand and the names of options: `tyllm run … --seed …`."""
    program, *rest = sys.argv or [""]
    words = [Path(program).name]
    if rest and rest[0].isalpha() and rest[0].isascii():
        words.append(rest.pop(0))
    end = rest.index("--") if "--" in rest else len(rest)
    for place, word in enumerate(rest):
        option = OPTION.match(word) if place < end else None
        words.append(option[0] if option else "…")
    return " ".join(words)


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "–"
