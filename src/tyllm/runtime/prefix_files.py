"""Cached prefixes as files, so that the next process need not read them again: a folder with one .npz file for each."""

from __future__ import annotations

import hashlib
from functools import partial

from tyllm.runtime.request_engine import RequestEngine
from tyllm_base.atomic_files import atomic_file, make_folder
from tyllm_base.errors import GenerationError, OutputError
from tyllm_base.regular_file import read_regular_file
from tyllm_base.system_errors import reading
from tyllm_base.user_path import user_path

CURE = "give a folder that save_prefix_cache wrote"


def save_prefixes(engine: RequestEngine, folder: object) -> int:
    """Write each cached prefix that is part of no other to a file; how many tokens they have together.

    A step may run between two of them. Files that are there already stay.

    Raises:
        OutputError: the folder cannot be written.
        GenerationError: the engine is closed.
    """
    path, tokens = user_path(folder, OutputError), 0
    make_folder(path)
    for slot in engine.between_steps(engine.pool.cached_slots):
        found = engine.between_steps(partial(engine.pool.save, slot))
        if found is not None:
            count, content = found
            with atomic_file(path / f"{hashlib.sha256(content).hexdigest()[:32]}.npz") as file:
                file.write_bytes(content)
            tokens += count
    return tokens


def load_prefixes(engine: RequestEngine, folder: object) -> int:
    """Take prefixes from the files of a folder, the newest first, as long as slots and memory are empty.

    Returns:
        How many tokens they have together.

    Raises:
        GenerationError: there is no such folder, a file is damaged or belongs to another package, or the engine is
            closed; those before it are loaded.
    """
    path, tokens = user_path(folder, GenerationError), 0
    if not path.is_dir():
        raise GenerationError(f"{path} is no folder; {CURE}.")
    with reading(path, GenerationError, CURE):
        files = sorted(path.glob("*.npz"), key=lambda each: each.stat().st_mtime, reverse=True)
    for file in files:
        content = read_regular_file(file, GenerationError, CURE, engine.pool.max_saved_bytes)
        count = engine.between_steps(partial(engine.pool.restore, content))
        if count == 0:
            break
        tokens += count
    return tokens
