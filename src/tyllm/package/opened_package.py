"""Opens a package: all files are checked before a byte of its code is loaded."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from tyllm.package.buffer_config import BufferConfig
from tyllm.package.compiled_module import ModuleConfig
from tyllm.package.cpu import check_cpu
from tyllm.package.file_hashes import sha256_of
from tyllm.package.file_names import MANIFEST, VISUAL
from tyllm.package.manifest import Manifest
from tyllm.package.verification import check_agreement, check_files, check_hashes, existing_folder


@dataclass(frozen=True)
class Package:
    """A package whose files were checked: its folder, manifest and buffer configuration."""

    folder: Path
    manifest: Manifest
    buffers: BufferConfig
    visual: ModuleConfig | None = None
    """The vision tower's programs, in the folder `visual`."""
    rope: ModuleConfig | None = None
    """The program that computes rotary positions."""

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 of the manifest, which has the SHA-256 of everything else."""
        return sha256_of(self.folder / MANIFEST)


def open_package(path: str | Path) -> Package:
    """The package in `path`, checked, the cheapest checks first.

    Raises:
        PackageError: another version, another machine or CPU, a missing, extra, truncated or changed file.
    """
    folder = existing_folder(path)
    manifest = Manifest.read(folder)
    check_cpu(folder, manifest.target)
    check_files(folder, manifest)
    check_hashes(folder, manifest)
    buffers = BufferConfig.read(folder)
    check_agreement(folder, manifest, buffers)
    visual = ModuleConfig.read(folder / VISUAL) if manifest.visual else None
    rope = ModuleConfig.from_json(folder / MANIFEST, *manifest.rope) if manifest.rope else None
    return Package(folder, manifest, buffers, visual, rope)
