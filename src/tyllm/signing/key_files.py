"""Reads the PEM files of keys and certificates, and says what is wrong with one. Needs the library."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)

from tyllm_base.errors import SettingError

Password = bytes | Callable[[], bytes]
LARGEST = 1 << 20  # bytes of a file of keys or certificates
CURVES = ("secp256r1", "secp384r1", "secp521r1")
LABEL = re.compile(rb"-----BEGIN ([A-Z0-9 ]+)-----")
MAKE_KEY = "`openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out private.pem`"


def read_pem(path: str | os.PathLike[str], cure: str = "give a PEM file") -> tuple[bytes, str]:
    """The bytes of a PEM file, a pipe too, and what its first part is, such as "PUBLIC KEY".

    Args:
        path: the file.
        cure: what to do where it cannot be read.

    Raises:
        SettingError: it cannot be read, or is no PEM.
    """
    try:
        with Path(path).open("rb") as file:
            data = file.read(LARGEST + 1)
    except (OSError, ValueError, TypeError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise SettingError(f"{path!s:.200} cannot be read: {reason}; {cure}.") from error
    label = LABEL.search(data)
    if label is None or len(data) > LARGEST:
        raise SettingError(f"{path} is no PEM file of a key or certificate; give one.")
    return data, label[1].decode("ascii")


def private_key(path: str | os.PathLike[str], password: Password | None = None) -> ec.EllipticCurvePrivateKey:
    """The private key in `path`; `password` is used, or asked, only where it is encrypted; raises `SettingError`."""
    data, label = read_pem(path)
    if "PRIVATE KEY" not in label and label != "EC PARAMETERS":
        raise SettingError(f"{path} holds a {label.lower()}; sign with a private key, made by {MAKE_KEY}.")
    try:
        key = _loaded(data, password)
    except TypeError as error:
        raise SettingError(f"The key {path} is encrypted; give its password, as a file or in a terminal.") from error
    except (ValueError, UnsupportedAlgorithm) as error:
        reason = (
            "its password is another, or it is damaged" if b"ENCRYPTED" in data else "it is damaged, or of another kind"
        )
        raise SettingError(f"The key {path} cannot be read: {reason}.") from error
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise _not_elliptic(path)
    _check_curve(path, key.curve)
    return key


def public_key(path: str | os.PathLike[str], data: bytes) -> ec.EllipticCurvePublicKey:
    """The public key in `data`, which is that of `path`; raises `SettingError`."""
    try:
        key = load_pem_public_key(data)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise SettingError(f"The key {path} cannot be read: it is damaged or of another kind.") from error
    if not isinstance(key, ec.EllipticCurvePublicKey):
        raise _not_elliptic(path)
    _check_curve(path, key.curve)
    return key


def certificates(path: str | os.PathLike[str], data: bytes | None = None) -> list[x509.Certificate]:
    """The certificates in `path`, or in `data`, which is what it holds: one at least; raises `SettingError`."""
    try:
        return x509.load_pem_x509_certificates(read_pem(path)[0] if data is None else data)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise SettingError(f"{path} holds no certificate that can be read; give one in PEM.") from error


def check_in_force(path: str | os.PathLike[str], certificate: x509.Certificate, cure: str) -> None:
    """Raise `SettingError`, which ends with `cure`, for a certificate that is not valid yet or any more."""
    if (state := out_of_force(certificate)) is not None:
        raise SettingError(f"The certificate {path} {state}; {cure}.")


def out_of_force(certificate: x509.Certificate) -> str | None:
    """Since or until when a certificate is not valid, as the end of a sentence; None for one that is."""
    now = datetime.now(UTC)
    if now > certificate.not_valid_after_utc:
        return f"expired on {certificate.not_valid_after_utc:%Y-%m-%d}"
    if now < certificate.not_valid_before_utc:
        return f"is valid only from {certificate.not_valid_before_utc:%Y-%m-%d} on"
    return None


def unencrypted(key: ec.EllipticCurvePrivateKey) -> bytes:
    """The key as PEM without a password, for the library and for no file."""
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def public_pem(key: ec.EllipticCurvePublicKey) -> bytes:
    """A public key as PEM."""
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def _loaded(data: bytes, password: Password | None) -> PrivateKeyTypes:
    """A private key; raises `TypeError` where it is encrypted and there is no password."""
    try:
        return load_pem_private_key(data, None)
    except TypeError:
        if password is None:
            raise
        return load_pem_private_key(data, password() if callable(password) else password)


def _check_curve(path: str | os.PathLike[str], curve: ec.EllipticCurve) -> None:
    if curve.name not in CURVES:
        raise SettingError(f"The key {path} is on the curve {curve.name}; take P-256, P-384 or P-521: {MAKE_KEY}.")


def _not_elliptic(path: str | os.PathLike[str]) -> SettingError:
    return SettingError(f"The key {path} is no elliptic-curve key; make one by {MAKE_KEY}.")
