"""An opened package is identified by its manifest."""

import hashlib

from tyllm.package import hashes, open_package


def test_fingerprint(toy):
    folder = toy(dies=2)
    package = open_package(folder)
    assert package.fingerprint == hashlib.sha256((folder / "manifest.json").read_bytes()).hexdigest()
    assert package.buffers.dies[1].vocabulary == (130, 260)


def test_large_files_are_hashed_once(toy, monkeypatch):
    open_package(toy(dies=2))
    monkeypatch.setattr(hashes, "sha256_of", None)  # calling it would raise
    open_package(toy(dies=2))
