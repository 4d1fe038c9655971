"""Signatures of packages: an author signs, a user demands a signer. SECURITY.md says what that promises."""

from tyllm.signing.sign import SigningKey, sign_package
from tyllm.signing.signer import Signer

__all__ = ["Signer", "SigningKey", "sign_package"]
