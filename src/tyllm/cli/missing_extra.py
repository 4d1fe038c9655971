"""Say which pip command helps when a command needs packages that the base install does not bring."""

import os
from importlib.util import find_spec

from tyllm_base.errors import MissingExtraError

COMPILE_MODULES = ("torch", "transformers", "safetensors", "tvm")
QUANTIZE_MODULES = ("torch", "transformers", "safetensors")


def require(command: str, modules: tuple[str, ...]) -> None:
    """Check that `modules` can be imported, without importing them, and set how they will behave.

    They leave stderr to us, and threads of theirs that wait sleep: on a busy machine of two cores, quantizing takes
    three times as long when they spin.

    Raises:
        MissingExtraError: some of them are not installed.
    """
    missing = missing_modules(modules)
    if missing:
        names = ", ".join(missing)
        raise MissingExtraError(f'`tyllm {command}` needs {names}: run `pip install "tyllm[compile]"`.')
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


def missing_modules(modules: tuple[str, ...]) -> list[str]:
    """Those of `modules` that are not installed."""
    return [module for module in modules if find_spec(module) is None]
