"""Open a package, with progress where the first look at its parameters takes a while."""

from pathlib import Path
from typing import TYPE_CHECKING

from tyllm.cli.progress_bar import progress_bar

if TYPE_CHECKING:
    from tyllm.runtime import Session
    from tyllm_base.progress import Progress

SLOW_BYTES = 1 << 30  # about two seconds of hashing


def open_session(package: Path, threads: int | None) -> "Session":
    """The package's session; raises as `Session` does."""
    from tyllm.runtime import Session

    with progress_bar("check") as progress:
        hash_params(package, progress)
    return Session(package, threads=threads)


def hash_params(package: Path, progress: "Progress") -> None:
    """Hash large parameters that changed since they were last found right, which opening would do without a word.

    Raises:
        PackageError: no package, or files missing.
    """
    from tyllm.package import Manifest
    from tyllm.package.file_hashes import HashCache
    from tyllm.package.verification import check_files, existing_folder

    folder = existing_folder(package)
    manifest = Manifest.read(folder)
    check_files(folder, manifest)
    sizes = {name: entry.size for name, entry in manifest.files.items() if name.endswith(".params")}
    if sum(sizes.values()) < SLOW_BYTES:
        return
    hashes, done = HashCache(), 0
    for name, count in sizes.items():
        progress(done >> 20, sum(sizes.values()) >> 20, f"MiB, {name}")
        hashes.cached_sha256(folder / name)
        done += count
    hashes.save()
