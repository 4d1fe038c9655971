"""--signer and --issuer together name an identity, --signer alone a file."""

import pytest
import typer

from tyllm.cli.demanded_signer import demanded_signer
from tyllm.signing import Signer


def test_who_is_demanded():
    assert demanded_signer(None, None) is None
    assert demanded_signer("public.pem", None) == Signer("public.pem")
    assert demanded_signer("a@b.example", "https://c.example") == Signer("a@b.example", "https://c.example")
    with pytest.raises(typer.BadParameter, match="add --signer"):
        demanded_signer(None, "https://c.example")
