"""Stage dumps: what each stage of a compile gave, as a text file, to see where a program goes wrong."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import tvm
from torch import fx

from tytvm.linearize import CallList
from tytvm.memory_plan import PlannedProgram

Stage: TypeAlias = "fx.Graph | tvm.IRModule | CallList | PlannedProgram"
Observe = Callable[[str, Stage], None]
"""Called as `observe(name, stage)` with what a stage of the compile gave."""


def ignore(name: str, stage: Stage) -> None:
    """An `Observe` that keeps nothing."""


def dump_to(folder: Path) -> Observe:
    """An `Observe` that writes each stage to `folder` as `<number>_<name>.txt`; it is made for one compile."""
    folder.mkdir(parents=True, exist_ok=True)
    names: list[str] = []

    def observe(name: str, stage: Stage) -> None:
        names.append(name)
        text = str(stage) if isinstance(stage, fx.Graph) else stage.script()
        (folder / f"{len(names)}_{name}.txt").write_text(f"{text}\n", encoding="utf-8")

    return observe
