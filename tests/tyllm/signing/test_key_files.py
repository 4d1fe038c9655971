"""A key or certificate that cannot be used is a sentence with its cure."""

import os
import re
import subprocess
import threading

import pytest

from tyllm.signing.key_files import certificates, out_of_force, private_key, public_key, read_pem
from tyllm_base.errors import SettingError


def refused(words: str, call, *arguments) -> None:
    with pytest.raises(SettingError, match=re.escape(words)) as caught:
        call(*arguments)
    assert str(caught.value).endswith(".") and "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["author", "p384", "p521"])
def test_keys_on_three_curves(keys, name):
    key = private_key(keys / f"{name}.pem")
    public = keys / f"{name}.pub.pem"
    assert public_key(public, public.read_bytes()) == key.public_key()


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("nowhere.pem", "cannot be read: No such file"),
        ("", "cannot be read: Is a directory"),
        ("text.txt", "is no PEM file"),
        ("author.pub.pem", "holds a public key; sign with a private key"),
        ("leaf.crt.pem", "holds a certificate; sign with a private key"),
        ("damaged.pem", "cannot be read: it is damaged"),
        ("bitcoin.pem", "is on the curve secp256k1; take P-256"),
        ("rsa.pem", "is no elliptic-curve key"),
        ("locked.pem", "is encrypted; give its password"),
    ],
)
def test_no_private_key(keys, name, words):
    refused(words, private_key, keys / name)


def test_a_password_is_asked_only_where_one_is_needed(keys):
    asked = []
    locked = private_key(keys / "locked.pem", b"sesame").public_key()
    assert private_key(keys / "author.pem", lambda: asked.append(1) or b"") and not asked
    assert private_key(keys / "locked.pem", lambda: b"sesame").public_key() == locked
    refused("its password is another", private_key, keys / "locked.pem", b"wrong")


@pytest.mark.parametrize(
    ("name", "words"),
    [("damaged.pub.pem", "it is damaged"), ("rsa.pub.pem", "no elliptic"), ("bitcoin.pub.pem", "P-256")],
)
def test_no_public_key(keys, name, words):
    refused(words, public_key, keys / name, (keys / name).read_bytes())


def test_certificates(keys):
    assert len(certificates(keys / "root.crt.pem")) == 1
    refused("holds no certificate that can be read", certificates, keys / "damaged.crt.pem")


@pytest.mark.parametrize(
    ("name", "state"), [("leaf", None), ("expired", "expired on"), ("early", "is valid only from")]
)
def test_a_certificate_in_and_out_of_force(keys, name, state):
    found = out_of_force(certificates(keys / f"{name}.crt.pem")[0])
    assert found is None if state is None else found.startswith(state)


def test_a_key_from_a_pipe(keys):
    reader, writer = os.pipe()
    threading.Thread(target=lambda: (os.write(writer, (keys / "author.pem").read_bytes()), os.close(writer))).start()
    assert private_key(f"/dev/fd/{reader}").curve.name == "secp256r1"
    os.close(reader)


def test_an_endless_file_ends():
    refused("is no PEM file", read_pem, "/dev/zero")


def test_the_key_that_openssl_makes_by_the_command_of_the_sentence(tmp_path):
    command = ["openssl", "genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", "private.pem"]
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
    assert private_key(tmp_path / "private.pem").curve.name == "secp256r1"
    older = [
        "openssl",
        "ecparam",
        "-name",
        "secp384r1",
        "-genkey",
        "-out",
        "older.pem",
    ]  # with its parameters before it
    subprocess.run(older, cwd=tmp_path, check=True, capture_output=True)
    assert private_key(tmp_path / "older.pem").curve.name == "secp384r1"
