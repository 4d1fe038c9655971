"""`tyllm verify`: hash every byte of a package and compare it with the manifest."""

import time
from typing import TYPE_CHECKING

from tyllm.cli.print_result import print_result
from tyllm.cli.progress_bar import progress_bar
from tyllm.cli.quantities import byte_size
from tyllm.cli.shared_options import Debug, Json, Package

if TYPE_CHECKING:
    from rich.console import Console


def verify(package: Package, as_json: Json = False, debug: Debug = False) -> None:
    """Check every file of a package against its manifest, and that this machine can run it.

    Example: `tyllm verify out/quickstart/2die`
    """
    from tyllm.package import verify_package
    from tyllm.package.cpu import check_cpu

    started = time.monotonic()
    with progress_bar("verify") as progress:
        manifest = verify_package(package, progress)
    check_cpu(package, manifest.target)
    count, total = len(manifest.files), sum(entry.size for entry in manifest.files.values())
    seconds = round(time.monotonic() - started, 3)

    def draw(console: "Console") -> None:
        console.print(f"{package} is sound: {count} files, {byte_size(total)}, in {seconds:.1f} s", markup=False)

    result = {"package": str(package), "sound": True, "files": count, "bytes": total, "seconds": seconds}
    print_result(result, as_json, draw)
