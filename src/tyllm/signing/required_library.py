"""OpenSSF's model-signing, which makes and checks signatures: an extra, imported only when one is."""

from __future__ import annotations

from importlib.util import find_spec

from tyllm_base.errors import MissingExtraError

MODULES = ("model_signing", "OpenSSL", "cryptography")


def require_library(action: str) -> None:
    """Raise `MissingExtraError` unless the library can be imported; `action` begins the sentence."""
    missing = [module for module in MODULES if find_spec(module) is None]
    if missing:
        raise MissingExtraError(f'{action} needs {", ".join(missing)}: run `pip install "tyllm[sign]"`.')
