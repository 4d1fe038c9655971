"""The C library that is linked into every package, compiled once a process: it takes a second, hundreds of times."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from unittest.mock import patch

from tyllm import native
from tytvm import link
from tytvm.target import resolve

NATIVE = Path(__file__).resolve().parents[1] / "src" / "tyllm" / "native"


@contextmanager
def compiled_once(prepared: bool = False) -> Iterator[None]:
    """Keep what the C compiler makes of the library for each set of flags; `prepared`, for children: make it now."""
    run, kept = link._run, dict[tuple[str, ...], bytes]()

    def run_once(command: Sequence[str], folder: Path) -> None:
        source = Path(command[command.index("-c") + 1]) if "-c" in command else Path()
        if source.parent != NATIVE:
            return run(command, folder)
        *key, target = command  # … -c source -o target
        if tuple(key) not in kept:
            run(command, folder)
            kept[tuple(key)] = Path(target).read_bytes()
        Path(target).write_bytes(kept[tuple(key)])
        return None

    with patch.object(link, "_run", run_once), tempfile.TemporaryDirectory() as folder:
        if prepared:
            link.compile_c(native.sources(), native.compile_flags(), Path(folder), resolve("native"))
        yield
