"""The table of needs that is linked into a library: what each of its programs was compiled for."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tyllm import native
from tyllm.package.code_needs import CodeNeeds
from tytvm.link import compile_c
from tytvm.target import InstructionSet


def compile_needs(needs: Sequence[CodeNeeds], stem: Path, spec: InstructionSet) -> Path:
    """The object file of a table, beside `stem`.

    Raises:
        BuildError: there is no C compiler, or it refused.
        OSError: the disk is full.
    """
    source = stem.with_suffix(".needs.c")
    source.write_text(c_source(needs), encoding="utf-8")
    flags = [*native.compile_flags(), f"-I{native.FOLDER}"]
    (made,) = compile_c([source], flags, stem.parent, spec)
    source.unlink()
    return made


def c_source(needs: Sequence[CodeNeeds]) -> str:
    """The table in C, for `native/needs.h`."""
    rows = (
        f'    {{"{each.body}", "{each.head}", "{each.layout}", {each.params_bytes}u, {each.constants_bytes}u, '
        f"{each.kv_bytes}u, {each.slot_bytes}u, {each.arena_bytes}u, {each.io_bytes}u}},"
        for each in needs
    )
    lines = [
        '#include "needs.h"',
        "const tyllm_needs tyllm_needs_table[] = {",
        *rows,
        "};",
        f"const uint32_t tyllm_needs_count = {len(needs)};",
    ]
    return "\n".join(lines) + "\n"
