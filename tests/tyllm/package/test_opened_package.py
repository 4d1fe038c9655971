"""An opened package is identified by its manifest."""

import hashlib

from tyllm.package import file_hashes, open_package, verification


def test_fingerprint(toy):
    folder = toy(dies=2)
    package = open_package(folder)
    assert package.fingerprint == hashlib.sha256((folder / "manifest.json").read_bytes()).hexdigest()
    assert package.buffers.dies[1].vocabulary == (130, 260)


def test_code_and_json_are_hashed_each_time(toy, monkeypatch):
    open_package(toy(dies=2))
    hashed = []
    monkeypatch.setattr(
        verification, "sha256_of", lambda path: hashed.append(path.suffix) or file_hashes.sha256_of(path)
    )
    open_package(toy(dies=2))
    assert hashed.count(".so") == 4
    assert ".json" in hashed and ".params" not in hashed


def test_large_files_are_hashed_once(toy, monkeypatch):
    open_package(toy(dies=2))
    monkeypatch.setattr(file_hashes, "sha256_of", None)  # calling it would raise
    open_package(toy(dies=2))
