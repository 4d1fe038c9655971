"""The C library's functions and structures for ctypes, as native/tyllm_runtime.h declares them."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from ctypes import POINTER, Structure, c_char_p, c_double, c_int32, c_uint32, c_uint64, c_void_p
from pathlib import Path
from typing import ClassVar, cast

from tyllm.package import RUNTIME_ABI
from tyllm_base.errors import PackageError

BODY, HEAD = 1, 2
ERROR_BYTES = 512


class ProgramStruct(Structure):
    """tyllm_program."""

    _fields_: ClassVar = [
        ("body", c_void_p),
        ("head", c_void_p),
        ("error", c_void_p),
        ("constants", c_void_p),
        ("arena_bytes", c_uint64),
        ("io_bytes", c_uint64),
    ]


class DieStruct(Structure):
    """tyllm_die."""

    _fields_: ClassVar = [
        ("params", c_void_p),
        ("kv_bytes", c_uint64),
        ("programs", POINTER(ProgramStruct)),
        ("cpus", POINTER(c_int32)),
    ]


class ConfigStruct(Structure):
    """tyllm_config."""

    _fields_: ClassVar = [
        ("abi", c_uint32),
        ("dies", c_uint32),
        ("workers", c_uint32),
        ("programs", c_uint32),
        ("slots", c_uint32),
        ("reserved", c_uint32),
        ("spin_ns", c_uint64),
        ("die", POINTER(DieStruct)),
    ]


SIGNATURES = {
    "tyllm_create": (c_void_p, [POINTER(ConfigStruct), c_char_p, c_uint64]),
    "tyllm_step": (c_int32, [c_void_p, c_uint32, c_uint32, c_uint32]),
    "tyllm_io": (c_void_p, [c_void_p, c_uint32, c_uint32]),
    "tyllm_kv": (c_void_p, [c_void_p, c_uint32, c_uint32]),
    "tyllm_last_error": (c_char_p, [c_void_p]),
    "tyllm_destroy": (None, [c_void_p]),
}


def load(path: Path) -> ctypes.CDLL:
    """A die's shared library with the control functions declared.

    Raises:
        PackageError: it cannot be loaded, or was built with another runtime.
    """
    try:
        library = ctypes.CDLL(str(path.resolve()), mode=ctypes.RTLD_LOCAL)
        library.tyllm_abi.restype = c_uint32
        abi = library.tyllm_abi()
        for name, (result, arguments) in SIGNATURES.items():
            function = getattr(library, name)
            function.restype, function.argtypes = result, arguments
    except (OSError, AttributeError) as error:
        raise PackageError(f"{path} cannot be loaded ({error}); compile the model again.") from error
    if abi != RUNTIME_ABI:
        raise PackageError(f"{path} has runtime ABI {abi}, this TyLLM speaks {RUNTIME_ABI}; compile the model again.")
    return library


def limit_function(path: Path) -> Callable[[bytes, int], float]:
    """`tyllm_limit` of a die's shared library; raises `PackageError` as `load`, or where an older one has none."""
    library = load(path)
    try:
        function = library.tyllm_limit
    except AttributeError as error:
        raise PackageError(f"{path} was compiled before it could measure limits; compile the model again.") from error
    function.restype, function.argtypes = c_double, [c_char_p, c_uint32]
    return cast("Callable[[bytes, int], float]", function)


def address(library: ctypes.CDLL, name: str) -> int:
    """The address of an exported function; raises `PackageError` where the library has none of that name."""
    try:
        found = ctypes.cast(getattr(library, name), c_void_p).value
    except AttributeError as error:
        raise PackageError(f"{library._name} does not export {name}; compile the model again.") from error
    assert found is not None
    return found
