"""Opens a package: all files are checked and held before a byte of its code is loaded."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from tyllm.package.agreement import read_parts
from tyllm.package.buffer_config import BufferConfig
from tyllm.package.compiled_module import ModuleConfig
from tyllm.package.cpu import check_cpu
from tyllm.package.file_names import MANIFEST, VISUAL
from tyllm.package.held_path import HeldPath
from tyllm.package.manifest import Manifest
from tyllm.package.open_folder import OpenFolder
from tyllm.package.package_files import PARAMS, Hashing, PackageFiles
from tyllm.package.verification import check_module, check_required
from tyllm_base.doors import Door, callers
from tyllm_base.errors import PackageError
from tyllm_base.progress import Progress


@dataclass(frozen=True)
class Package:
    """A package whose files were checked: its folder, manifest and buffer configuration.

    All that is read of it later is read from `files`: its files as they were when they were checked.
    """

    folder: Path
    manifest: Manifest
    buffers: BufferConfig
    visual: ModuleConfig | None = None
    """The vision tower's programs, in the folder `visual`."""
    rope: ModuleConfig | None = None
    """The program that computes rotary positions."""
    files: HeldPath = field(kw_only=True)

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 of the manifest, which has the SHA-256 of everything else."""
        return hashlib.sha256((self.files / MANIFEST).read_bytes()).hexdigest()

    @property
    def nbytes(self) -> int:
        """Bytes of all files."""
        return self.files.files.nbytes

    def close(self) -> None:
        """Let go of the files; calling it twice is no mistake."""
        self.files.files.close()


@Door(PackageError)
def open_package(path: str | Path) -> Package:
    """The package in `path`, checked, the cheapest checks first.

    Raises:
        PackageError: another version, another machine or CPU, a missing, extra, truncated or changed file.
    """
    return _open(path, "cached", for_this_machine=True)


@Door(PackageError)
def read_package(path: str | Path) -> Package:
    """As `open_package`, of whatever machine and without hashing large parameters: to look at, not to run."""
    return _open(path, "none")


@Door(PackageError)
def verify_package(path: str | Path, progress: Progress | None = None) -> Manifest:
    """Hash every byte of a package, also of files whose hashes are cached.

    Args:
        path: the folder.
        progress: called as `progress(bytes done, bytes in all, file)`.

    Raises:
        PackageError: a file is missing, extra, truncated or changed, or two contradict each other; the first of them.
    """
    return verified_package(path, progress).manifest


@Door(PackageError)
def verified_package(path: str | Path, progress: Progress | None = None) -> Package:
    """As `verify_package`; the package as it was when its bytes were hashed, of whatever machine."""
    return _open(path, "fresh", progress and callers(progress))


def check_params(path: str | Path, progress: Progress, from_bytes: int) -> None:
    """Hash the parameters that changed since they were last hashed, if all parameters have `from_bytes` or more.

    Raises:
        PackageError: as `open_package`, which then has nothing more to hash.
    """
    with OpenFolder(path) as opened:
        manifest = Manifest.read(_with_manifest(opened))
        opened.check_files(manifest.files)
        params = {name: entry for name, entry in manifest.files.items() if name.endswith(PARAMS)}
        if sum(entry.size for entry in params.values()) >= from_bytes:
            PackageFiles(opened.path).hold(opened, params, progress=progress)


def _open(
    path: str | Path, hashing: Hashing, progress: Progress | None = None, *, for_this_machine: bool = False
) -> Package:
    with OpenFolder(path) as opened:
        files = _with_manifest(opened)
        manifest = Manifest.read(files)
        if for_this_machine:
            check_cpu(opened.path, manifest.target)
        opened.check_files(manifest.files)
        check_required(opened.path, manifest)
        files.files.hold(opened, manifest.files, hashing, progress)
    buffers, visual, rope = read_parts(files, manifest)
    for place, module in ((files / VISUAL, visual), (files, rope)):
        if module is not None:
            check_module(place, module)
    return Package(opened.path, manifest, buffers, visual, rope, files=files)


def _with_manifest(opened: OpenFolder) -> HeldPath:
    """The files of a package of which only the manifest is held yet."""
    if not opened.has(MANIFEST):
        raise PackageError(
            f"{opened.path} is no package: it has no {MANIFEST}; give the folder that `tyllm compile` made."
        )
    files = PackageFiles(opened.path)
    files.hold_manifest(opened)
    return HeldPath(files)
