"""`tyllm verify`: hash every byte of a package and compare it with the manifest."""

import time
from typing import TYPE_CHECKING

from tyllm.cli.demanded_signer import demanded_signer
from tyllm.cli.print_result import print_result
from tyllm.cli.quantities import byte_size
from tyllm.cli.shared_options import Debug, Demanded, Issuer, Json, Package
from tyllm.progress_bar import progress_bar

if TYPE_CHECKING:
    from rich.console import Console


def verify(
    package: Package, signer: Demanded = None, issuer: Issuer = None, as_json: Json = False, debug: Debug = False
) -> None:
    """Check every file of a package against its manifest, that this machine can run it, with --signer who signed it.

    Example: `tyllm verify out/quickstart/2die`, or `tyllm verify out/quickstart/2die --signer public.pem`
    """
    from tyllm.package.cpu import check_cpu
    from tyllm.package.opened_package import verified_package

    demanded = demanded_signer(signer, issuer)
    started = time.monotonic()
    with progress_bar("verify") as progress:
        found = verified_package(package, progress)
    manifest = found.manifest
    if demanded is not None:
        demanded.check(found.folder, manifest.files, found.fingerprint)
    check_cpu(found.folder, manifest.target)
    count, total = len(manifest.files), sum(entry.size for entry in manifest.files.values())
    seconds = round(time.monotonic() - started, 3)

    def draw(console: "Console") -> None:
        signed = "" if demanded is None else f" and signed by {demanded}"
        console.print(
            f"{package} is sound{signed}: {count} files, {byte_size(total)}, in {seconds:.1f} s", markup=False
        )

    result = {"package": str(package), "sound": True, "files": count, "bytes": total, "seconds": seconds}
    result["signer"] = None if demanded is None else str(demanded)
    print_result(result, as_json, draw)
