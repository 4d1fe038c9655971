"""Fills a folder that cannot be renamed: what is finished lies aside in it, and is moved file by file, the marker last.

The marker is the file without which nobody takes the folder for whole. Once `.tyllm.new` is there, all of it is on the
disk, and a run that finds it goes on with the moving; before that a killed run leaves `.tyllm.tmp`, and nothing has
changed.
"""

from __future__ import annotations

import json
from collections.abc import Collection
from pathlib import Path
from typing import Any

from tyllm_base.durable import remove_tree, sync_folder, sync_tree

FILLED = ".new"
_NEW = f".tyllm{FILLED}"
_GOING, _COMING = ".tyllm.going", ".tyllm.coming"  # the plan, by what is to be done next


def fill(folder: Path, finished: Path, marker: str, going: Collection[str]) -> None:
    """Move what is in `finished`, a folder in `folder`, up into it; raises `OSError`.

    Args:
        folder: the folder.
        finished: what will be its contents.
        marker: the file in it that is moved last.
        going: names in `folder` that are removed first, the marker before all others.
    """
    (finished / _GOING).write_text(json.dumps({"marker": marker, "going": sorted(going)}), encoding="utf-8")
    sync_tree(finished)
    finished.rename(folder / _NEW)  # from here on it will be finished, by the next run if not by this one
    finish_filling(folder)


def finish_filling(folder: Path) -> bool:
    """Move what a run had finished, and whether there was any; raises `OSError`."""
    new = folder / _NEW
    if not new.is_dir() or new.is_symlink():
        return False
    sync_folder(folder)
    if (new / _GOING).exists():
        plan = _plan(new / _GOING)
        _remove(folder, plan["marker"], plan["going"])
        (new / _GOING).rename(new / _COMING)
        sync_folder(new)  # else, after a power cut, what came would be taken for what goes
    if (new / _COMING).exists():
        _move(new, folder, _plan(new / _COMING)["marker"])
        sync_folder(folder)
    remove_tree(new)
    return True


def _plan(path: Path) -> dict[str, Any]:
    plan: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return plan


def _remove(folder: Path, marker: str, going: Collection[str]) -> None:
    """Remove what is replaced, its marker first, and on the disk too before the rest goes."""
    if not going:
        return
    (folder / marker).unlink(missing_ok=True)
    sync_folder(folder)
    for name in going:
        path = folder / name
        if path.is_dir() and not path.is_symlink():
            remove_tree(path)
        else:
            path.unlink(missing_ok=True)
    sync_folder(folder)


def _move(new: Path, folder: Path, marker: str) -> None:
    """Move all but the plan, the marker last, when the others' names are on the disk."""
    for name in sorted({path.name for path in new.iterdir()} - {_COMING, marker}):
        (new / name).rename(folder / name)
    sync_folder(folder)
    if (new / marker).exists():
        (new / marker).rename(folder / marker)
