"""Open a package, with progress where the first look at its parameters takes a while."""

from pathlib import Path
from typing import TYPE_CHECKING

from tyllm.progress_bar import progress_bar

if TYPE_CHECKING:
    from tyllm.runtime import Session
    from tyllm.signing import Signer
    from tyllm_base.progress import Progress

SLOW_BYTES = 1 << 30  # about two seconds of hashing


def open_session(package: Path, threads: int | None, signer: "Signer | None" = None) -> "Session":
    """The package's session; raises as `Session` does."""
    from tyllm.runtime import Session

    with progress_bar("check") as progress:
        hash_params(package, progress)
    return Session(package, threads=threads, signer=signer)


def hash_params(package: Path, progress: "Progress") -> None:
    """Hash large parameters that changed since they were last found right, which opening would do without a word.

    Raises:
        PackageError: no package, files missing, or parameters that were changed.
    """
    from tyllm.package.opened_package import check_params

    def in_mebibytes(done: float, total: float, name: str) -> None:
        progress(int(done) >> 20, int(total) >> 20, f"MiB, {name}")

    check_params(package, in_mebibytes, SLOW_BYTES)
