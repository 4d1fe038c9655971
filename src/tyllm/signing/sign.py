"""Signs a package: every file is hashed, and the signature appears whole in model.sig."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tyllm.package.file_names import SIGNATURE, SIGNATURE_UNDER_WAY
from tyllm.package.open_folder import OpenFolder
from tyllm.package.opened_package import verified_package
from tyllm.signing.file_in_memory import file_in_memory
from tyllm.signing.required_library import require_library
from tyllm_base.doors import Door
from tyllm_base.errors import PackageError, SettingError
from tyllm_base.output_place import refuse_existing
from tyllm_base.progress import Progress
from tyllm_base.write_errors import explained

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
    from model_signing.signing import Config


@dataclass(frozen=True)
class SigningKey:
    """What to sign with.

    Attributes:
        path: the private key, a PEM file: P-256, P-384 or P-521.
        password: of the key, where it is encrypted, or a function that asks for it then.
        certificate: the key's certificate in PEM; without one users demand the public key.
        chain: certificates between that one and the root, which users demand.
    """

    path: str | os.PathLike[str]
    password: bytes | Callable[[], bytes] | None = None
    certificate: str | os.PathLike[str] | None = None
    chain: Sequence[str | os.PathLike[str]] = ()


@Door(PackageError)
def sign_package(
    path: str | Path,
    key: SigningKey | str | os.PathLike[str],
    *,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> str:
    """Hash every byte of a package, and write the signature of what was found into its model.sig.

    Args:
        path: the package's folder.
        key: what to sign with, or the private key's file.
        overwrite: replace a signature that is there.
        progress: as of `tyllm.package.verify_package`.

    Returns:
        The SHA-256 of the public key's PEM, by which the signature names it.

    Raises:
        MissingExtraError: the library is not installed.
        SettingError: a key or certificate that cannot be used.
        OutputError: there is a signature already, or it cannot be written.
        PackageError: the package is damaged.
    """
    require_library("Signing")
    with OpenFolder(path) as opened:
        folder = opened.path
    target = folder / SIGNATURE
    if not overwrite:
        refuse_existing(target, "is there already; replace it with --overwrite")
    with ExitStack() as files:
        config, fingerprint = _configured(key if isinstance(key, SigningKey) else SigningKey(key), files)
        package = verified_package(folder, progress)
        if SIGNATURE in package.manifest.files:
            raise PackageError(f"The manifest of {folder} names {SIGNATURE}, the signature's place; compile it again.")
        from tyllm.signing.package_hashes import PackageHashes

        config.set_hashing_config(PackageHashes(package.manifest.files, package.fingerprint))
        made = files.enter_context(file_in_memory(b""))
        config.sign(folder, made)
        _write(folder, made.read_bytes())
    return fingerprint


def _configured(key: SigningKey, files: ExitStack) -> tuple[Config, str]:
    """The library's configuration for a key that was checked, and the key's fingerprint; raises `SettingError`."""
    import hashlib

    from model_signing.signing import Config

    from tyllm.signing.key_files import private_key, public_pem, unencrypted

    private = private_key(key.path, key.password)
    checked = files.enter_context(file_in_memory(unencrypted(private)))
    fingerprint = hashlib.sha256(public_pem(private.public_key())).hexdigest()
    if key.certificate is None:
        if key.chain:
            raise SettingError("A chain of certificates needs the key's own certificate too; give it.")
        return Config().use_elliptic_key_signer(private_key=checked), fingerprint
    own, chain = _certificates(private, key)
    return Config().use_certificate_signer(
        private_key=checked,
        signing_certificate=files.enter_context(file_in_memory(own)),
        certificate_chain=[files.enter_context(file_in_memory(data)) for data in chain],
    ), fingerprint


def _certificates(private: EllipticCurvePrivateKey, key: SigningKey) -> tuple[bytes, list[bytes]]:
    """The key's certificate and those above it, each as PEM; raises `SettingError`."""
    from cryptography.hazmat.primitives.serialization import Encoding

    from tyllm.signing.key_files import certificates, check_in_force

    assert key.certificate is not None
    own, *above = certificates(key.certificate)
    check_in_force(key.certificate, own, "sign with one that is in force")
    if own.public_key() != private.public_key():
        raise SettingError(f"The certificate {key.certificate} is of another key than {key.path}; give the key's own.")
    for path in key.chain:
        above += certificates(path)
    chain = above or [own]  # directly under the root nothing is between, and the library cannot read an empty chain
    return own.public_bytes(Encoding.PEM), [certificate.public_bytes(Encoding.PEM) for certificate in chain]


def _write(folder: Path, signature: bytes) -> None:
    """Put the signature into its place whole, under the one other name that a package may have; follows no link."""
    target, temporary = folder / SIGNATURE, folder / SIGNATURE_UNDER_WAY
    with explained(target):
        temporary.unlink(missing_ok=True)  # of a killed run
        try:
            with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666), "wb") as file:
                file.write(signature)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(target)
        finally:
            temporary.unlink(missing_ok=True)
