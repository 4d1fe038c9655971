"""Compile cache: compiled modules in a folder, each in one of its own whose name is a hash of what it was made from."""

from __future__ import annotations

import atexit
import hashlib
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import torch
from torch import fx

from tyllm.build.package_folder import build_explained
from tyllm.graph.compiler_hash import compiler_hash
from tyllm.graph.trace import TracedGraph
from tyllm.package import FileEntry, file_entries
from tyllm.package.compiled_module import ModuleConfig
from tyllm.package.field_types import Digest, FileName, Record
from tyllm.package.held_path import HeldPath
from tyllm.package.json_file import checked, content_of, json_object, json_text
from tyllm.package.manifest import NO_DIGEST, with_digest, without_digest
from tyllm.package.open_folder import OpenFolder
from tyllm.package.package_files import PackageFiles
from tyllm.package.verification import check_module
from tyllm_base.atomic_folder import atomic_folder
from tyllm_base.errors import PackageError
from tyllm_base.output_place import OutputPlace
from tyllm_base.user_folders import temporary_place, writable_cache_folder
from tytvm.target import InstructionSet

BUILD = "build.json"
"""What torch runs of the graph, and the hashes of the other files."""
Unsupported = dict[str, str]
"""Node → the operator that torch runs there, with the reason where there is one."""


@dataclass(frozen=True)
class CompileSettings:
    """Settings of the graph compiler.

    Attributes:
        dies: dies that it is split over.
        activations: "float16" multiplies float32 activations by float16 weights; "int8" lets processors with tiles
            (AMX) round the activations to bfloat16.
        target: instruction set to compile for; "native" is this machine's.
        cache_folder: where compiled modules are kept; None for the user's cache.
    """

    dies: int = 1
    activations: str = "float16"
    target: str = "native"
    cache_folder: Path | None = None


class _Build(Record, frozen=True):
    """The fields of build.json: whether anything is compiled, what torch runs, all other files, and its own SHA-256."""

    compiled: bool
    refused: Mapping[str, str]
    files: Mapping[FileName, FileEntry]
    sha256: Digest = NO_DIGEST
    """Zeros: the hash in the file is of the file with this in its place, as in a package's manifest."""

    @classmethod
    def read(cls, folder: Path) -> _Build:
        path = folder / BUILD
        text, digest = without_digest(content_of(path))
        if hashlib.sha256(text).hexdigest().encode() != digest:
            raise PackageError(f"{path} was changed or damaged: its SHA-256 is another; remove that folder.")
        return checked(json_object(text, path), path, cls)


def module_folder(traced: TracedGraph, settings: CompileSettings, spec: InstructionSet) -> Path:
    """Where a graph's compiled module is, or will be: its name is a hash of all that decides the module's bytes.

    These are the graph with the shapes and types of its values, the weights, the settings, the target `spec`, and the
    compiler by its sources and versions (`compiler_hash`).
    """
    digest = hashlib.sha256()
    own = f"{spec} {settings.dies} {settings.activations}"
    for text in (_text(traced.graph_module.graph), own, compiler_hash(spec)):
        digest.update(text.encode())
    for name, value in traced.weights.items():
        digest.update(f"{name} {tuple(value.shape)} {value.dtype}".encode())
        digest.update(value.contiguous().reshape(-1).view(torch.uint8).numpy())
    return (settings.cache_folder or _user_cache()) / f"edgex-{digest.hexdigest()[:20]}"


def load_module(folder: Path) -> tuple[ModuleConfig | None, Unsupported] | None:
    """A folder's module, if anything is compiled, and the operators that torch runs; None where it is damaged."""
    try:
        build, files = _Build.read(folder), hold_module(folder)
        config = ModuleConfig.read(files) if build.compiled else None
        if config is not None:
            check_module(files, config)
        return config, dict(build.refused)
    except PackageError:
        return None


def hold_module(folder: Path) -> HeldPath:
    """The files of a compiled module, checked and held; raises `PackageError` where the folder is damaged."""
    with OpenFolder(folder) as opened:
        files = PackageFiles(folder)
        files.hold(opened, _Build.read(folder).files)
    return HeldPath(files)


@contextmanager
def module_under_way(place: OutputPlace) -> Iterator[Path]:
    """A folder to write to, that takes the place of what is damaged when the block ends well; raises `OutputError`."""
    with build_explained(place.given), atomic_folder(place, BUILD, lambda _: True) as temporary:
        yield temporary


def write_description(folder: Path, config: ModuleConfig | None, unsupported: Unsupported) -> None:
    """Write the JSON files, when all others are there."""
    if config is not None:
        config.write_module_config(folder)
    build = _Build(config is not None, unsupported, file_entries(folder))
    (folder / BUILD).write_bytes(with_digest(json_text(build).encode()))


def _text(graph: fx.Graph) -> str:
    """A graph as text, with the shapes and types of its values."""
    values = [f"{node.name}: {_type(node.meta.get('val'))}" for node in graph.nodes]
    return "\n".join([str(graph), *values])


def _type(value: object) -> str:
    if isinstance(value, list | tuple):
        return str([_type(each) for each in value])
    return f"{value.dtype} {tuple(value.shape)}" if isinstance(value, torch.Tensor) else str(value)


def _user_cache() -> Path:
    """The user's cache; where none can be written, a folder that goes when the process ends."""
    return writable_cache_folder("edgex") or _temporary_cache()


@cache
def _temporary_cache() -> Path:
    folder = tempfile.mkdtemp(prefix="tyllm-edgex-", dir=temporary_place())
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return Path(folder)
