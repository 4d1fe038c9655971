"""The files of a compiled module: names beside its JSON files, in which "{die}" stands for the number of a die.

Nothing else in a name has a meaning, and no name leads to another folder: what a name says is text from a file.
"""

from __future__ import annotations

from importlib.resources.abc import Traversable
from pathlib import PurePosixPath

from tyllm.package.compiled_module import ModuleConfig
from tyllm_base.errors import PackageError


def module_code(place: Traversable, module: ModuleConfig, die: int) -> Traversable:
    """The shared library of a die, of a module whose files lie at `place`; raises `PackageError`."""
    return _file(place, module.code, ".so", die)


def module_params(place: Traversable, module: ModuleConfig, die: int) -> Traversable:
    """The parameters of a die likewise."""
    return _file(place, module.params, ".params", die)


def _file(place: Traversable, pattern: str, suffix: str, die: int) -> Traversable:
    name = pattern.replace("{die}", str(die)) if isinstance(pattern, str) else ""
    if PurePosixPath(name).name != name or not name.endswith(suffix) or not name.isprintable():
        raise PackageError(
            f"{place} has a module whose code or parameters are {pattern!r:.80}, which is no name of a *{suffix} file "
            "beside it; compile the model again."
        )
    return place / name
