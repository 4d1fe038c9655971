"""Checks a package's files against its manifest, before anything of it is loaded."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

from tyllm.package.buffer_config import BufferConfig
from tyllm.package.compiled_module import AOT_CONFIG
from tyllm.package.file_hashes import HashCache, sha256_of
from tyllm.package.file_names import (
    BUFFER_CONFIG,
    CONFIG,
    EMBEDDING,
    MANIFEST,
    PREPROCESSOR,
    ROPE_CODE,
    ROPE_PARAMS,
    ROPE_TABLE,
    SIGNATURE,
    SIGNATURE_UNDER_WAY,
    VISUAL,
    VISUAL_CODE,
    VISUAL_PARAMS,
    code_file,
    constants_file,
    params_file,
)
from tyllm.package.manifest import FileEntry, Manifest
from tyllm_base.errors import PackageError
from tyllm_base.progress import Progress


def check_files(folder: Path, manifest: Manifest) -> None:
    """Every file is there with its size, and no other but a signature is; raises `PackageError`."""
    for name, entry in manifest.files.items():
        _check_size(folder, name, entry)
    needed = {MANIFEST, SIGNATURE, SIGNATURE_UNDER_WAY, *manifest.files}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if not path.is_dir() and name not in needed:
            raise PackageError(f"{folder} holds {name}, which its manifest does not name; remove that file.")
    for name in required_files(manifest):
        if name not in manifest.files:
            raise PackageError(f"The manifest of {folder} does not name {name}; compile the model again.")


def required_files(manifest: Manifest) -> list[str]:
    """Paths, in the package, of the files without which it does not run."""
    names = [Path(CONFIG), Path(BUFFER_CONFIG)]
    for die in range(manifest.dies):
        names.append(params_file(die, manifest.batch))
        for seq_len in manifest.seq_lens:
            names += [code_file(die, seq_len, manifest.batch), constants_file(die, seq_len, manifest.batch)]
    if manifest.visual:
        names += [Path(name) for name in (EMBEDDING, ROPE_TABLE, ROPE_CODE, ROPE_PARAMS, PREPROCESSOR)]
        files = (AOT_CONFIG, BUFFER_CONFIG)
        code = (name.format(die=d) for d in range(manifest.visual.dies) for name in (VISUAL_CODE, VISUAL_PARAMS))
        names += [Path(VISUAL, name) for name in (*files, *code)]
    return [name.as_posix() for name in names]


def check_hashes(folder: Path, manifest: Manifest) -> None:
    """Hash code and JSON now, .params only when they changed since they were last hashed; raises `PackageError`."""
    hashes = HashCache()
    for name, entry in manifest.files.items():
        path = folder / name
        _compare(folder, name, entry, hashes.cached_sha256(path) if path.suffix == ".params" else sha256_of(path))
    hashes.save()


def check_agreement(folder: Path, manifest: Manifest, buffers: BufferConfig) -> None:
    """The manifest and the buffer configuration say the same; raises `PackageError`."""
    pairs = {
        "dies": (manifest.dies, len(buffers.dies)),
        "seq_lens": (sorted(manifest.seq_lens), sorted(buffers.seq_lens)),
        "max_kv_cache_size": (manifest.max_kv_cache_size, buffers.max_kv_cache_size),
        "vocab_size": (manifest.vocab_size, max((die.vocabulary[1] for die in buffers.dies), default=0)),
    }
    for name, (left, right) in pairs.items():
        if left != right:
            raise PackageError(
                f"{folder} contradicts itself: {name} is {left} in {MANIFEST} and {right} in {BUFFER_CONFIG}; "
                "compile the model again."
            )


def verify_package(path: str | Path, progress: Progress | None = None) -> Manifest:
    """Hash every byte of a package, also of files whose hashes are cached.

    Args:
        path: the folder.
        progress: called as `progress(bytes done, bytes in all, file)`.

    Raises:
        PackageError: a file is missing, extra, truncated or changed, or two contradict each other; the first of them.
    """
    folder = existing_folder(path)
    manifest = Manifest.read(folder)
    check_files(folder, manifest)
    hashes, done, total = HashCache(), 0, sum(entry.size for entry in manifest.files.values())
    for name, entry in manifest.files.items():
        _compare(folder, name, entry, hashes.fresh_sha256(folder / name))
        done += entry.size
        if progress:
            progress(done, total, name)
    hashes.save()
    check_agreement(folder, manifest, BufferConfig.read(folder))
    return manifest


def existing_folder(path: str | Path) -> Path:
    """The folder of a package; raises `PackageError` where there is none."""
    if not isinstance(path, str | os.PathLike):
        raise PackageError(f"{path!r:.60} is no path; give the folder that `tyllm compile` made.")
    folder = Path(path)
    if not folder.is_dir():
        raise PackageError(f"{folder} is no folder; give the folder that `tyllm compile` made.")
    if not (folder / MANIFEST).is_file():
        raise PackageError(f"{folder} is no package: it has no {MANIFEST}; give the folder that `tyllm compile` made.")
    return folder


def file_entries(folder: Path, known: Iterable[tuple[str, FileEntry]] = ()) -> dict[str, FileEntry]:
    """Size and hash of every file in `folder` but the manifest and its signature; `known` ones are not read again."""
    entries = dict(known)
    unnamed = (MANIFEST, SIGNATURE, SIGNATURE_UNDER_WAY)
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_file() and name not in unnamed and name not in entries:
            entries[name] = FileEntry(path.stat().st_size, sha256_of(path))
    return dict(sorted(entries.items()))


def _check_size(folder: Path, name: str, entry: FileEntry) -> None:
    pure = PurePosixPath(name)
    if pure.is_absolute() or ".." in pure.parts:
        raise PackageError(
            f"The manifest of {folder} names {name}, a file outside the folder; compile the model again."
        )
    path = folder / name
    if not path.is_file():
        raise PackageError(f"{folder} lacks {name}; copy it again or compile the model again.")
    size = path.stat().st_size
    if size != entry.size:
        word = "truncated" if size < entry.size else "too long"
        raise PackageError(f"{path} is {word}: {size} bytes instead of {entry.size}; copy it again or compile again.")


def _compare(folder: Path, name: str, entry: FileEntry, found: str) -> None:
    if found != entry.sha256:
        raise PackageError(
            f"{folder / name} was changed or damaged: its SHA-256 is {found[:12]}… instead of {entry.sha256[:12]}…; "
            "copy it again or compile the model again."
        )
