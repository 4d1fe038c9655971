"""The signer that --signer and --issuer name."""

from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from tyllm.signing import Signer


def demanded_signer(signer: str | None, issuer: str | None) -> "Signer | None":
    """Who must have signed the package; None where anybody may, or nobody; raises `typer.BadParameter`."""
    if signer is None:
        if issuer is not None:
            raise typer.BadParameter("it vouches for an identity: add --signer.", param_hint="'--issuer'")
        return None
    from tyllm.signing import Signer

    return Signer(signer, issuer)
