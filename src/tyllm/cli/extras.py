"""Say which pip command helps when a command needs packages that the base install does not bring."""

import os
from importlib.util import find_spec

COMPILE_MODULES = ("torch", "transformers", "safetensors", "tvm")
QUANTIZE_MODULES = ("torch", "transformers", "safetensors")


class MissingExtraError(Exception):
    """Packages that this command needs are not installed."""

    exit_code = 9


def require(command: str, modules: tuple[str, ...]) -> None:
    """Check that `modules` can be imported, without importing them; once they are, they keep stderr for us.

    Raises:
        MissingExtraError: some of them are not installed.
    """
    missing = [module for module in modules if find_spec(module) is None]
    if missing:
        names = ", ".join(missing)
        raise MissingExtraError(f'`tyllm {command}` needs {names}: run `pip install "tyllm[compile]"`.')
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
