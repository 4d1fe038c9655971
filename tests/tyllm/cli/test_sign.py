"""`tyllm sign` and `--signer`: who signed a package, demanded when it is verified and when it runs."""

import json
import subprocess
import sys

import pytest

from tyllm.cli import sign as sign_module


@pytest.fixture(scope="module")
def keys(tmp_path_factory):
    """private.pem and public.pem by the commands of the help; encrypted.pem, whose password the file password has."""
    folder = tmp_path_factory.mktemp("keys")
    for command in (
        "genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out private.pem",
        "pkey -in private.pem -pubout -out public.pem",
        "genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out other.pem",
        "pkey -in other.pem -pubout -out other.pub.pem",
        "pkey -in private.pem -aes256 -passout pass:sesame -out encrypted.pem",
    ):
        subprocess.run(["openssl", *command.split()], cwd=folder, check=True, capture_output=True)
    (folder / "password").write_text("sesame\r\nanother line\n")
    return folder


def test_sign_then_demand_the_signer(tyllm, package, keys):
    outcome = tyllm("sign", package, "--key", keys / "private.pem", "--json")
    assert outcome.code == 0 and json.loads(outcome.out)["signed"] is True
    outcome = tyllm("verify", package, "--signer", keys / "public.pem")
    assert f"is sound and signed by {keys / 'public.pem'}" in outcome.out
    assert json.loads(tyllm("verify", package, "--json").out)["signer"] is None
    outcome = tyllm("verify", package, "--signer", keys / "other.pub.pem", "--json")
    assert outcome.code == 6 and "was not made by" in json.loads(outcome.out)["error"]


def test_an_unsigned_package_is_sound_but_not_whom_you_demand(tyllm, package, keys):
    assert tyllm("verify", package).code == 0
    outcome = tyllm("verify", package, "--signer", keys / "public.pem")
    assert outcome.code == 6 and "is not signed" in outcome.err


@pytest.mark.parametrize(
    ("command", "options"),
    [
        ("run", ("Hello", "--max-new-tokens", 1)),
        ("chat", ()),
        ("bench", ("-p", 8, "-n", 0, "-r", 1)),
        ("eval", ("--max-tokens", 8)),
    ],
)
def test_the_signer_is_demanded_before_a_package_runs(tyllm, package, keys, command, options, monkeypatch):
    tyllm("sign", package, "--key", keys / "private.pem")
    monkeypatch.setattr("builtins.input", lambda *_: (_ for _ in ()).throw(EOFError))
    monkeypatch.setattr("tyllm.bench.run.measure_limits", lambda *_: {"read": 1e9, "int8": 1e9})
    assert tyllm(command, package, *options, "--signer", keys / "public.pem").code == 0
    monkeypatch.setattr("tyllm.runtime.model.Engine", None)
    outcome = tyllm(command, package, *options, "--signer", keys / "other.pub.pem")
    assert outcome.code == 6 and "was not made by" in outcome.err
    outcome = tyllm(command, package, *options, "--issuer", "https://example.com")
    assert outcome.code == 2 and "add --signer" in outcome.err


def test_the_signer_is_demanded_of_every_package(tyllm, package, keys, toy):
    tyllm("sign", package, "--key", keys / "private.pem")
    other, signer = toy(dies=2), ("--signer", keys / "public.pem")
    for outcome in (
        tyllm("bench", package, other, "-p", 8, "-n", 0, *signer),
        tyllm("eval", package, "--reference", other, *signer),
    ):
        assert outcome.code == 6 and f"{other} is not signed" in outcome.err


def test_a_key_that_cannot_sign(tyllm, package, keys):
    outcome = tyllm("sign", package, "--key", keys / "public.pem")
    assert outcome.code == 4 and "sign with a private key" in outcome.err
    assert not (package / "model.sig").exists()


def test_a_second_signature(tyllm, package, keys):
    tyllm("sign", package, "--key", keys / "private.pem")
    assert tyllm("sign", package, "--key", keys / "other.pem").code == 7
    assert tyllm("sign", package, "--key", keys / "other.pem", "--overwrite").code == 0
    assert tyllm("verify", package, "--signer", keys / "other.pub.pem").code == 0


def test_the_password_of_a_key(tyllm, package, keys, monkeypatch):
    key = ("--key", keys / "encrypted.pem", "--overwrite")
    monkeypatch.setattr(sys.stdin, "isatty", lambda: False, raising=False)
    outcome = tyllm("sign", package, *key)
    assert outcome.code == 4 and "is encrypted; give its password" in outcome.err
    assert tyllm("sign", package, *key, "--password-file", keys / "nowhere").code == 4
    endless = tyllm("sign", package, *key, "--password-file", "/dev/zero")
    assert endless.code == 4 and "is longer than a password" in endless.err
    assert tyllm("sign", package, *key, "--password-file", keys / "password").code == 0
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True, raising=False)
    monkeypatch.setattr(sign_module, "getpass", lambda question: "sesame")
    assert tyllm("sign", package, *key).code == 0
    monkeypatch.setattr(sign_module, "getpass", lambda question: "wrong")
    outcome = tyllm("sign", package, *key)
    assert outcome.code == 4 and "its password is another" in outcome.err


def test_an_issuer_alone(tyllm, package):
    outcome = tyllm("verify", package, "--issuer", "https://a.example")
    assert outcome.code == 2 and "add --signer" in outcome.err
