"""`tyllm chat`."""

from tyllm.cli.options import Debug, Json, Package


def chat(package: Package, as_json: Json = False, debug: Debug = False) -> None:
    """Talk.

    Example: `tyllm chat PACKAGE`
    """
    raise NotImplementedError
