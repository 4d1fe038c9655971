"""What a package's files say of each other, checked before anything of it is loaded."""

from __future__ import annotations

from collections.abc import Iterable
from importlib.resources.abc import Traversable
from pathlib import Path

from tyllm.package.compiled_module import AOT_CONFIG, ModuleConfig
from tyllm.package.file_hashes import sha256_of_file
from tyllm.package.file_names import (
    BUFFER_CONFIG,
    CONFIG,
    EMBEDDING,
    PREPROCESSOR,
    ROPE_CODE,
    ROPE_PARAMS,
    ROPE_TABLE,
    VISUAL,
    VISUAL_CODE,
    VISUAL_PARAMS,
    code_file,
    constants_file,
    params_file,
)
from tyllm.package.manifest import FileEntry, Manifest
from tyllm.package.module_files import module_code, module_params
from tyllm.package.open_folder import UNNAMED
from tyllm_base.errors import PackageError


def check_required(folder: Path, manifest: Manifest) -> None:
    """The manifest names all that the package needs to run; raises `PackageError`."""
    for name in required_files(manifest):
        if name not in manifest.files:
            raise PackageError(f"The manifest of {folder} does not name {name}; compile the model again.")


def required_files(manifest: Manifest) -> list[str]:
    """Paths, in the package, of the files without which it does not run."""
    names = [Path(CONFIG), Path(BUFFER_CONFIG)]
    for die in range(manifest.dies):
        names.append(params_file(die))
        for shape in manifest.shapes:
            names += [code_file(die, shape), constants_file(die, shape)]
    if manifest.visual:
        names += [Path(name) for name in (EMBEDDING, ROPE_TABLE, ROPE_CODE, ROPE_PARAMS, PREPROCESSOR)]
        files = (AOT_CONFIG, BUFFER_CONFIG)
        code = (name.replace("{die}", str(die)) for die in range(manifest.visual.dies)
                for name in (VISUAL_CODE, VISUAL_PARAMS))  # fmt: skip
        names += [Path(VISUAL, name) for name in (*files, *code)]
    return [name.as_posix() for name in names]


def check_module(place: Traversable, module: ModuleConfig) -> None:
    """The files that a compiled module names lie beside it, and are files of the package; raises `PackageError`."""
    for die in range(len(module.dies)):
        for path in (module_code(place, module, die), module_params(place, module, die)):
            if not path.is_file():
                raise PackageError(f"{path} is code or parameters that the manifest does not name; compile again.")


def file_entries(folder: Path, known: Iterable[tuple[str, FileEntry]] = ()) -> dict[str, FileEntry]:
    """Size and hash of every file in `folder` but the manifest and its signature; `known` ones are not read again."""
    entries = dict(known)
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_file() and name not in UNNAMED and name not in entries:
            entries[name] = FileEntry(path.stat().st_size, sha256_of_file(path))
    return dict(sorted(entries.items()))
