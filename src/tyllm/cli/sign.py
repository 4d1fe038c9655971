"""`tyllm sign`: put an author's signature into a package."""

import sys
from collections.abc import Callable
from getpass import getpass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tyllm.cli.print_result import print_result
from tyllm.cli.shared_options import Debug, Json, Package
from tyllm.progress_bar import progress_bar
from tyllm_base.errors import SettingError

if TYPE_CHECKING:
    from rich.console import Console

LONGEST_PASSWORD = 1023  # bytes, as OpenSSL has it


def sign(
    package: Package,
    key: Annotated[Path, typer.Option(metavar="FILE", help="The private key: elliptic curve, PEM.")],
    certificate: Annotated[
        Path | None, typer.Option(metavar="FILE", help="The key's certificate; without, users demand the public key.")
    ] = None,
    chain: Annotated[
        list[Path] | None,
        typer.Option(metavar="FILE", help="Certificates between that one and the root; may be given several times."),
    ] = None,
    password_file: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Holds the key's password; asked for in a terminal if left out.")
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a signature that is there.")] = False,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Check every file of a package, then sign what was found: the signature is the package's model.sig.

    A key is made by `openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out private.pem`, and what users
    demand, its public half, by `openssl pkey -in private.pem -pubout -out public.pem`. The signature is one of OpenSSF
    model signing: `model_signing sign sigstore PACKAGE --signature PACKAGE/model.sig` signs with an identity instead.

    Example: `tyllm sign PACKAGE --key private.pem`, then `tyllm verify PACKAGE --signer public.pem`
    """
    from tyllm.signing import SigningKey, sign_package

    signing_key = SigningKey(key, _password(key, password_file), certificate, tuple(chain or ()))
    with progress_bar("sign") as progress:
        fingerprint = sign_package(package, signing_key, overwrite=overwrite, progress=progress)

    def draw(console: "Console") -> None:
        console.print(f"{package} is signed by the key {fingerprint[:16]}…", markup=False)

    print_result({"package": str(package), "signed": True, "public_key_sha256": fingerprint}, as_json, draw)


def _password(key: Path, file: Path | None) -> bytes | Callable[[], bytes] | None:
    """The first line of the file, or else a question in the terminal; None where nobody sits there."""
    if file is not None:
        try:
            with file.open("rb") as stream:
                line = stream.readline(LONGEST_PASSWORD + 3)
        except OSError as error:
            raise SettingError(f"{file} cannot be read: {error.strerror}; give the file of the password.") from error
        password = line.rstrip(b"\n").rstrip(b"\r")
        if len(password) > LONGEST_PASSWORD:
            raise SettingError(f"The first line of {file} is longer than a password; give the file of the password.")
        return password
    return (lambda: getpass(f"Password of {key}: ").encode()) if sys.stdin.isatty() else None
