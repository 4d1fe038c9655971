"""Signing checks the package and the key first; the signature appears whole, and other tools take it."""

import hashlib
import subprocess
import sys

import pytest
from tests.forgeries import edit

from tyllm.package import open_package, opened_package, verify_package
from tyllm.signing import Signer, SigningKey, sign_package
from tyllm_base.errors import OutputError, PackageError, SettingError


def check(package, signer):
    opened = open_package(package)
    Signer.of(signer).check(package, opened.manifest.files, opened.fingerprint)


@pytest.mark.parametrize("name", ["author", "p384", "p521"])
def test_a_signed_package_opens_verifies_and_is_its_authors(own_toy, keys, name):
    fingerprint = sign_package(own_toy, keys / f"{name}.pem")
    assert fingerprint == hashlib.sha256((keys / f"{name}.pub.pem").read_bytes()).hexdigest()
    verify_package(own_toy)
    check(own_toy, keys / f"{name}.pub.pem")


def test_an_encrypted_key(own_toy, keys):
    sign_package(own_toy, SigningKey(keys / "locked.pem", b"sesame"))
    check(own_toy, keys / "locked.pub.pem")


def test_a_certificate_and_its_chain(own_toy, keys):
    key = SigningKey(keys / "leaf.pem", None, keys / "leaf.crt.pem", [keys / "between.crt.pem"])
    sign_package(own_toy, key)
    check(own_toy, keys / "root.crt.pem")


def test_a_certificate_directly_under_the_root(own_toy, keys):
    sign_package(own_toy, SigningKey(keys / "direct.pem", None, keys / "direct.crt.pem"))
    check(own_toy, keys / "root.crt.pem")
    with pytest.raises(PackageError, match="does not lead to"):
        check(own_toy, keys / "other_root.crt.pem")


@pytest.mark.parametrize(
    ("certificate", "words"),
    [
        ("expired", "expired on"),
        ("early", "is valid only from"),
        ("root", "is of another key than"),
        ("nowhere", "No such"),
    ],
)
def test_certificates_that_cannot_sign(own_toy, keys, certificate, words):
    with pytest.raises(SettingError, match=words):
        sign_package(own_toy, SigningKey(keys / "leaf.pem", None, keys / f"{certificate}.crt.pem"))
    assert not (own_toy / "model.sig").exists()


def test_a_chain_alone(own_toy, keys):
    with pytest.raises(SettingError, match="needs the key's own certificate"):
        sign_package(own_toy, SigningKey(keys / "leaf.pem", chain=[keys / "between.crt.pem"]))


def test_a_signature_is_replaced_only_on_demand(signed, keys):
    first = (signed / "model.sig").read_bytes()
    with pytest.raises(OutputError, match="is there already; replace it with --overwrite"):
        sign_package(signed, keys / "stranger.pem")
    assert (signed / "model.sig").read_bytes() == first
    sign_package(signed, keys / "stranger.pem", overwrite=True)
    check(signed, keys / "stranger.pub.pem")


def test_a_damaged_package_is_not_signed(own_toy, keys):
    path = own_toy / "batch_1" / "common_die0.params"
    path.write_bytes(path.read_bytes()[:-1] + b"!")
    with pytest.raises(PackageError, match="was changed or damaged"):
        sign_package(own_toy, keys / "author.pem")
    assert sorted(own_toy.glob("model.sig*")) == []


def test_what_is_signed_is_what_was_checked(own_toy, keys, monkeypatch):
    """A manifest that takes the place of the checked one meanwhile is not signed."""
    good = (own_toy / "manifest.json").read_bytes()

    def verified(*given, original=opened_package._open):
        found = original(*given)
        edit(own_toy, "manifest.json", tyllm_version="another")
        return found

    monkeypatch.setattr(opened_package, "_open", verified)
    sign_package(own_toy, keys / "author.pem")
    monkeypatch.undo()
    with pytest.raises(PackageError, match="of another package, or of another state"):
        check(own_toy, keys / "author.pub.pem")
    (own_toy / "manifest.json").write_bytes(good)
    check(own_toy, keys / "author.pub.pem")


def test_remains_of_a_killed_signing_are_replaced(own_toy, keys):
    (own_toy / "model.sig.tmp").write_text("half")
    sign_package(own_toy, keys / "author.pem")
    assert [path.name for path in own_toy.glob("model.sig*")] == ["model.sig"]


@pytest.mark.parametrize("name", ["model.sig", "model.sig.tmp"])
def test_no_link_is_followed(own_toy, keys, tmp_path, name):
    (tmp_path / "other").write_text("precious")
    (own_toy / name).symlink_to(tmp_path / "other")
    sign_package(own_toy, keys / "author.pem", overwrite=True)
    assert (tmp_path / "other").read_text() == "precious"
    check(own_toy, keys / "author.pub.pem")


def model_signing(*arguments):
    command = [sys.executable, "-m", "model_signing", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_either_tool_takes_the_others_signature(signed, keys):
    """The format is OpenSSF's: what `model_signing` signs, with an identity for example, is demanded here likewise."""
    public, place = ("--public_key", keys / "author.pub.pem"), ("--signature", signed / "model.sig")
    assert model_signing("verify", "key", signed, *place, *public).returncode == 0
    (signed / "model.sig").unlink()
    made = model_signing("sign", "key", signed, *place, "--private_key", keys / "author.pem")
    assert made.returncode == 0, made.stderr
    check(signed, keys / "author.pub.pem")
    (signed / "config.json").write_text("{}")
    assert model_signing("verify", "key", signed, *place, *public).returncode != 0
