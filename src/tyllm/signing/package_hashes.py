"""The hashes of a package's files as the library wants them, taken from the manifest. Needs the library.

manifest.json has the SHA-256 of every other file, so its own is all that has to be computed: a signature costs nothing
beside a check of the package. It is the one that `model_signing sign` makes by reading every file, and either tool
takes the other's.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path, PurePosixPath

from model_signing import hashing, manifest
from model_signing._hashing.hashing import Digest

from tyllm.package import FileEntry
from tyllm.package.file_names import MANIFEST, SIGNATURE

SERIALIZATION = {"method": "files", "hash_type": "sha256", "allow_symlinks": False, "ignore_paths": [SIGNATURE]}


class PackageHashes(hashing.Config):
    """Stands where the library would hash the folder."""

    def __init__(self, files: Mapping[str, FileEntry], manifest_sha256: str) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._sha256 = {MANIFEST: manifest_sha256} | {name: entry.sha256 for name, entry in files.items()}

    def hash(
        self, model_path: hashing.PathLike, *, files_to_hash: Iterable[hashing.PathLike] | None = None
    ) -> manifest.Manifest:
        """The library's list of files; it reads none of them."""
        items = [
            manifest.FileManifestItem(path=PurePosixPath(name), digest=Digest("sha256", bytes.fromhex(sha256)))
            for name, sha256 in self._sha256.items()
        ]
        name = Path(str(model_path)).resolve().name
        return manifest.Manifest(name, items, manifest.SerializationType.from_args(SERIALIZATION))
