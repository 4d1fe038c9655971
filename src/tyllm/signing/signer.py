"""The signer that a user demands: a package that this one did not sign is refused."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Mapping
from contextlib import ExitStack, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tyllm.package import FileEntry
from tyllm.package.file_names import SIGNATURE
from tyllm.signing.file_in_memory import file_in_memory
from tyllm.signing.required_library import require_library
from tyllm_base.errors import PackageError, SettingError
from tyllm_base.option_checks import shown
from tyllm_base.regular_file import read_regular_file

if TYPE_CHECKING:
    from model_signing.verifying import Config

LARGEST = 16 << 20  # bytes of a signature; one names each file of the package


@dataclass(frozen=True)
class Signer:
    """Who must have signed.

    Attributes:
        who: a PEM file with a public key, or with the certificate that the signer's must lead to; with `issuer` the
            identity of a Sigstore signature, such as an e-mail address.
        issuer: the URL of the OpenID Connect provider that vouched for the identity.
    """

    who: str | os.PathLike[str]
    issuer: str | None = None

    def __post_init__(self) -> None:
        """Raise `SettingError` for what names no signer."""
        if not isinstance(self.who, str | os.PathLike):
            raise SettingError(
                f"{shown(self.who)} is no signer; give the file of a public key or certificate, or a Signer."
            )
        if not isinstance(self.issuer, str | None):
            raise SettingError(f"{shown(self.issuer)} is no issuer; give the URL of an OpenID Connect provider.")

    @classmethod
    def of(cls, given: Signer | str | os.PathLike[str]) -> Signer:
        """A signer, or the one of a file; raises `SettingError`."""
        return given if isinstance(given, Signer) else cls(given)

    def __str__(self) -> str:
        return str(self.who) if self.issuer is None else f"{self.who} ({self.issuer})"

    def check(self, folder: Path, files: Mapping[str, FileEntry], manifest_sha256: str) -> None:
        """Raise unless this one signed the package whose files were found to be as the manifest says.

        Args:
            folder: the package, which holds the signature.
            files: of its manifest.
            manifest_sha256: SHA-256 of the bytes of manifest.json that `files` were read from.

        Raises:
            MissingExtraError: the library is not installed.
            SettingError: this signer's file cannot be used.
            PackageError: there is no signature, it is not of this package, or it is another signer's.
        """
        require_library("Checking a signature")
        from tyllm.signing.package_hashes import PackageHashes

        with ExitStack() as stack:
            config = self._configured(stack)
            signature = read_signature(folder, str(self))
            copy = stack.enter_context(file_in_memory(signature))
            logging.getLogger("model_signing").setLevel(logging.ERROR)  # what matters in its warnings is raised too
            with redirect_stdout(sys.stderr):  # where it prints a warning about signatures of old releases
                try:
                    config.set_hashing_config(PackageHashes(files, manifest_sha256)).verify(folder, copy)
                except Exception as error:
                    raise self._refusal(folder, error) from error
            if self.issuer is None:
                _check_validity(folder, copy)

    def _configured(self, stack: ExitStack) -> Config:
        """The library's configuration; raises `SettingError`."""
        from model_signing.verifying import Config

        if self.issuer is not None:
            try:
                return Config().use_sigstore_verifier(identity=str(self.who), oidc_issuer=self.issuer)
            except Exception as error:
                reason = f"Sigstore's keys cannot be had, which needs the network ({type(error).__name__})"
                raise PackageError(f"The signature of {self} cannot be checked: {reason}; try again online.") from error
        from tyllm.signing.key_files import certificates, check_in_force, public_key, read_pem

        data, label = read_pem(
            self.who, "give the file of the signer's public key (an identity needs its --issuer too)"
        )
        checked = stack.enter_context(file_in_memory(data))
        if label == "CERTIFICATE":
            for root in certificates(self.who, data):
                check_in_force(self.who, root, "demand one that is in force")
            return Config().use_certificate_verifier(certificate_chain=[checked])
        if label != "PUBLIC KEY":
            raise SettingError(
                f"{self.who} holds a {label.lower()}; demand the signer by the public key: "
                "`openssl pkey -in private.pem -pubout -out public.pem`."
            )
        public_key(self.who, data)
        return Config().use_elliptic_key_verifier(public_key=checked)

    def _refusal(self, folder: Path, error: Exception) -> PackageError:
        """What a failed check means."""
        from cryptography.exceptions import InvalidSignature
        from OpenSSL.crypto import X509StoreContextError

        path, text = folder / SIGNATURE, str(error)
        if isinstance(error, InvalidSignature) or "Key mismatch" in text:
            return PackageError(
                f"{path} was not made by the key of {self}, or was altered; get the package from its author again, or "
                "demand the signer who made it."
            )
        if isinstance(error, X509StoreContextError):
            return PackageError(f"{path} was made with a certificate that does not lead to {self}: {text:.80}.")
        if "Signature mismatch" in text:
            return PackageError(
                f"{path} is the signature of another package, or of another state of this one; ask for a new one."
            )
        return PackageError(
            f"{path} is damaged, or not a signature that {self} can check ({type(error).__name__}); ask for a new one."
        )


def read_signature(folder: Path, signer: str) -> bytes:
    """The bytes of a package's signature; raises `PackageError`."""
    path = folder / SIGNATURE
    if not path.exists():
        raise PackageError(
            f"{folder} is not signed: it has no {SIGNATURE}, and {signer} must have signed it; "
            "ask its author to sign it (tyllm sign)."
        )
    return read_regular_file(path, PackageError, "ask the author for a signature", LARGEST)


def _check_validity(folder: Path, signature: Path) -> None:
    """Raise `PackageError` for a certificate out of force: the library takes it, but who knows when it signed.

    The library reads the signature here too: JSON can say one thing in several ways, and what it took is what counts.
    """
    from cryptography.x509 import load_der_x509_certificate
    from model_signing._signing.sign_sigstore_pb import Signature

    from tyllm.signing.key_files import out_of_force

    chain = Signature.read(signature).bundle.verification_material.x509_certificate_chain
    for certificate in chain.certificates if chain else ():
        if (state := out_of_force(load_der_x509_certificate(certificate.raw_bytes))) is not None:
            raise PackageError(
                f"{folder / SIGNATURE} was made with a certificate that {state}; ask its author to sign again."
            )
