"""What is signed are the hashes of all files but the signature: the library finds the same by reading them."""

import pytest
from model_signing import hashing

from tyllm.package import Manifest
from tyllm.package.file_hashes import sha256_of_file
from tyllm.signing.package_hashes import PackageHashes


def resources(manifest):
    return [(found.identifier, found.digest.digest_hex) for found in manifest.resource_descriptors()]


def test_the_same_files_and_hashes_as_the_library_finds(signed):
    ours = PackageHashes(Manifest.read(signed).files, sha256_of_file(signed / "manifest.json")).hash(signed)
    theirs = hashing.Config().set_ignored_paths(paths=["model.sig"]).hash(signed)
    assert resources(ours) == resources(theirs)
    assert ours.model_name == theirs.model_name
    assert ours.serialization_type["ignore_paths"] == ["model.sig"]


def test_a_hash_that_is_none():
    with pytest.raises(ValueError, match="non-hexadecimal"):
        PackageHashes({}, "no hash").hash("x")
