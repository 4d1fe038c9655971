"""A package that the demanded one did not sign is refused, with a sentence for each reason."""

import base64
import json
import re
import shutil

import pytest
from model_signing.verifying import Config
from tests.forgeries import edit

from tyllm.package import Manifest
from tyllm.package.file_hashes import sha256_of_file
from tyllm.runtime import Session
from tyllm.signing import Signer, SigningKey, sign_package
from tyllm_base.errors import PackageError, SettingError, TyllmError


def check(package, signer) -> None:
    Signer.of(signer).check(package, Manifest.read(package).files, sha256_of_file(package / "manifest.json"))


def refused(package, signer, words: str, error: type[TyllmError] = PackageError) -> None:
    with pytest.raises(error, match=re.escape(words)) as caught:
        check(package, signer)
    assert str(caught.value).endswith(".") and "\n" not in str(caught.value)


def edit_bundle(package, change) -> None:
    """Change the signature's JSON."""
    bundle = json.loads((package / "model.sig").read_text())
    change(bundle)
    (package / "model.sig").write_text(json.dumps(bundle))


def test_no_signature(own_toy, keys):
    refused(own_toy, keys / "author.pub.pem", "is not signed: it has no model.sig, and")


def test_another_signer(signed, keys):
    refused(signed, keys / "stranger.pub.pem", "was not made by")


def test_another_signer_without_the_hint_which_key_it_was(signed, keys, capsys):
    edit_bundle(signed, lambda bundle: bundle["verificationMaterial"]["publicKey"].pop("hint"))
    check(signed, keys / "author.pub.pem")
    refused(signed, keys / "stranger.pub.pem", "was not made by")
    assert capsys.readouterr().out == ""  # the library's warning would spoil JSON


def test_a_replaced_manifest(signed, keys):
    """Whoever changes a file and makes every hash right again cannot make the signature right."""
    edit(signed, "config.json", eos_token_id=1)
    refused(signed, keys / "author.pub.pem", "is the signature of another package, or of another state")


def test_a_file_left_out_of_manifest_and_folder(signed, keys):
    (signed / "tokenizer.json").unlink()
    files = json.loads((signed / "manifest.json").read_text())["files"]
    del files["tokenizer.json"]
    edit(signed, "manifest.json", files=files)
    refused(signed, keys / "author.pub.pem", "is the signature of another package, or of another state")


def test_the_signature_of_another_package(signed, toy, keys, tmp_path):
    other = shutil.copytree(toy(dies=1), tmp_path / "other")
    shutil.copy(signed / "model.sig", other / "model.sig")
    refused(other, keys / "author.pub.pem", "is the signature of another package")


def test_a_package_may_be_moved_and_renamed(signed, keys, tmp_path):
    check(shutil.copytree(signed, tmp_path / "elsewhere"), keys / "author.pub.pem")


def test_every_byte_of_what_is_signed_counts(signed, keys):
    good = (signed / "model.sig").read_text()
    payload = base64.b64decode(json.loads(good)["dsseEnvelope"]["payload"])
    for at in range(0, len(payload), 97):
        changed = bytearray(payload)
        changed[at] ^= 1
        edit_bundle(
            signed, lambda b, changed=changed: b["dsseEnvelope"].update(payload=base64.b64encode(changed).decode())
        )
        refused(signed, keys / "author.pub.pem", "was not made by")
        (signed / "model.sig").write_text(good)
    check(signed, keys / "author.pub.pem")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "null",
        "{}",
        "[" * 100_000,
        '{"verificationMaterial": 3}',
        '{"verificationMaterial": {}}',
        "\x1b[2J",
    ],
)
def test_what_is_no_signature(signed, keys, text):
    (signed / "model.sig").write_text(text)
    for signer in (keys / "author.pub.pem", keys / "root.crt.pem"):
        refused(signed, signer, "is damaged, or not a signature that")


def test_odd_places_of_a_signature(signed, keys, tmp_path):
    path = signed / "model.sig"
    path.write_bytes(b"x" * (16 << 20) + b"y")
    refused(signed, keys / "author.pub.pem", "is longer than the 16,777,216 bytes")
    path.unlink()
    path.mkdir()
    refused(signed, keys / "author.pub.pem", "is a folder and not a file")


def test_a_certificate_in_place_of_a_key_and_a_key_in_place_of_a_certificate(signed, keys):
    refused(signed, keys / "root.crt.pem", "is damaged, or not a signature that")
    chain = SigningKey(keys / "leaf.pem", None, keys / "leaf.crt.pem", [keys / "between.crt.pem"])
    sign_package(signed, chain, overwrite=True)
    refused(signed, keys / "leaf.pub.pem", "not a signature that")


@pytest.mark.parametrize(
    ("certificate", "root", "words"),
    [
        ("leaf", "other_root", "does not lead to"),
        ("leaf", "leaf", "does not lead to"),
        ("no_signing", "root", "not a signature that"),
    ],
)
def test_certificates_that_do_not_count(signed, keys, certificate, root, words):
    key = SigningKey(keys / "leaf.pem", None, keys / f"{certificate}.crt.pem", [keys / "between.crt.pem"])
    sign_package(signed, key, overwrite=True)
    refused(signed, keys / f"{root}.crt.pem", words)


SPELLINGS = [("x509CertificateChain", "x509_certificate_chain"), ("rawBytes", "raw_bytes")]


@pytest.mark.parametrize(("name", "words"), [("expired", "expired on"), ("early", "is valid only from")])
def test_a_certificate_out_of_force(signed, keys, monkeypatch, name, words):
    """The library takes it, as of the time at which the certificate says that it begins."""
    monkeypatch.setattr("tyllm.signing.key_files.check_in_force", lambda *_: None)
    key = SigningKey(keys / "leaf.pem", None, keys / f"{name}.crt.pem", [keys / "between.crt.pem"])
    sign_package(signed, key, overwrite=True)
    refused(signed, keys / "root.crt.pem", words)
    for names in SPELLINGS:
        respell(signed, *names)
        refused(signed, keys / "root.crt.pem", words)


def respell(package, name: str, other: str) -> None:
    """Write a field of the signature by its other name, which the library takes too."""
    path = package / "model.sig"
    path.write_text(path.read_text().replace(f'"{name}"', f'"{other}"'))


@pytest.mark.parametrize("names", SPELLINGS)
def test_a_signature_in_another_spelling(signed, keys, names):
    key = SigningKey(keys / "leaf.pem", None, keys / "leaf.crt.pem", [keys / "between.crt.pem"])
    sign_package(signed, key, overwrite=True)
    respell(signed, *names)
    check(signed, keys / "root.crt.pem")


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("nowhere.pem", "No such file or directory; give the file of the signer's public key"),
        ("a" * 5000, "File name too long; give"),
        ("author.pem/below", "Not a directory; give"),
        ("a\0.pem", "embedded null byte; give"),
        ("expired.crt.pem", "expired on"),
        ("early.crt.pem", "is valid only from"),
        ("author.pem", "holds a private key; demand the signer by the public key"),
        ("text.txt", "is no PEM file"),
        ("damaged.pub.pem", "it is damaged"),
        ("damaged.crt.pem", "holds no certificate"),
        ("rsa.pub.pem", "no elliptic-curve key"),
    ],
)
def test_files_that_name_no_signer(signed, keys, name, words):
    refused(signed, keys / name, words, SettingError)


@pytest.mark.parametrize("wrong", [3, None, b"author.pub.pem", ["author.pub.pem"]])
def test_a_signer_of_a_wrong_type(wrong):
    for make in (Signer.of, Signer):
        with pytest.raises(SettingError, match="is no signer"):
            make(wrong)
    with pytest.raises(SettingError, match="3 is no issuer"):
        Signer("dev@example.com", 3)


def test_an_identity_without_the_network(signed, monkeypatch):
    def offline(*_, **__):
        raise ConnectionError("no route")

    monkeypatch.setattr(Config, "use_sigstore_verifier", offline)
    refused(signed, Signer("a@b.example", "https://c.example"), "a@b.example (https://c.example) cannot be checked")


def test_an_identity_is_asked_for_as_it_is_given(signed, keys, monkeypatch):
    asked = {}

    def local(self, **options):
        asked.update(options)
        return self.use_elliptic_key_verifier(public_key=keys / "author.pub.pem")

    monkeypatch.setattr(Config, "use_sigstore_verifier", local)
    check(signed, Signer("a@b.example", "https://c.example"))
    assert asked == {"identity": "a@b.example", "oidc_issuer": "https://c.example"}


def test_a_session_demands_a_signer_before_anything_is_loaded(signed, keys, monkeypatch):
    with Session(signed, threads=2, signer=keys / "author.pub.pem") as session:
        assert session.generate([1, 2], max_new_tokens=1).token_ids
    monkeypatch.setattr("tyllm.runtime.model.Engine", lambda *_, **__: pytest.fail("code was loaded"))
    with pytest.raises(PackageError, match="was not made by"):
        Session(signed, signer=keys / "stranger.pub.pem")
