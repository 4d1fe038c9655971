"""The C library's functions and structures for ctypes, as native/tyllm_runtime.h declares them."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from ctypes import POINTER, Structure, c_char, c_char_p, c_double, c_int32, c_uint32, c_uint64, c_void_p
from importlib.resources.abc import Traversable
from typing import Any, ClassVar, cast

from tyllm.package import RUNTIME_ABI
from tyllm.package.compiled_module import AOT_CONFIG
from tyllm.package.file_names import BUFFER_CONFIG
from tyllm.runtime.execute.code_library import load_code, unload_code
from tyllm_base.errors import PackageError

BODY, HEAD = 1, 2
ERROR_BYTES = 512
NAME_BYTES, LAYOUT_BYTES = 256, 72


class NeedsStruct(Structure):
    """tyllm_needs."""

    _fields_: ClassVar = [
        ("body", c_char * NAME_BYTES),
        ("head", c_char * NAME_BYTES),
        ("layout", c_char * LAYOUT_BYTES),
        ("params_bytes", c_uint64),
        ("constants_bytes", c_uint64),
        ("kv_bytes", c_uint64),
        ("slot_bytes", c_uint64),
        ("arena_bytes", c_uint64),
        ("io_bytes", c_uint64),
    ]


class ProgramStruct(Structure):
    """tyllm_program."""

    _fields_: ClassVar = [
        ("body", c_void_p),
        ("head", c_void_p),
        ("error", c_void_p),
        ("constants", c_void_p),
        ("constants_bytes", c_uint64),
        ("arena_bytes", c_uint64),
        ("io_bytes", c_uint64),
        ("needs", POINTER(NeedsStruct)),
    ]


class DieStruct(Structure):
    """tyllm_die."""

    _fields_: ClassVar = [
        ("params", c_void_p),
        ("params_bytes", c_uint64),
        ("kv_bytes", c_uint64),
        ("slot_bytes", c_uint64),
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
    "tyllm_needs_of": (POINTER(NeedsStruct), [c_char_p]),
    "tyllm_check": (c_int32, [POINTER(ConfigStruct), c_char_p, c_uint64]),
    "tyllm_create": (c_void_p, [POINTER(ConfigStruct), c_char_p, c_uint64]),
    "tyllm_step": (c_int32, [c_void_p, c_uint32, c_uint32, c_uint32]),
    "tyllm_io": (c_void_p, [c_void_p, c_uint32, c_uint32]),
    "tyllm_kv": (c_void_p, [c_void_p, c_uint32, c_uint32]),
    "tyllm_release": (None, [c_void_p, c_uint32]),
    "tyllm_last_error": (c_char_p, [c_void_p]),
    "tyllm_destroy": (None, [c_void_p]),
}


def load(path: Traversable) -> ctypes.CDLL:
    """A die's shared library with the control functions declared, of the file's bytes as they are now: `load_code`.

    Raises:
        PackageError: it cannot be loaded, or was built with another runtime.
    """
    library = load_code(path)
    try:
        _declare(library)
    except AttributeError as error:
        unload_code(library)
        raise PackageError(f"{path} cannot be loaded ({error}); compile the model again.") from error
    abi = library.tyllm_abi()
    if abi != RUNTIME_ABI:
        unload_code(library)
        raise PackageError(f"{path} has runtime ABI {abi}, this TyLLM speaks {RUNTIME_ABI}; compile the model again.")
    return library


def _declare(library: ctypes.CDLL) -> None:
    library.tyllm_abi.restype = c_uint32
    for name, (result, arguments) in SIGNATURES.items():
        function = getattr(library, name)
        function.restype, function.argtypes = result, arguments


@contextmanager
def limit_function(path: Traversable) -> Iterator[Callable[[bytes, int], float]]:
    """`tyllm_limit` of a die's shared library, unloaded at the end.

    Raises:
        PackageError: as `load`, or the library is an older one and has none.
    """
    library = load(path)
    try:
        function = getattr(library, "tyllm_limit", None)
        if function is None:
            raise PackageError(f"{path} was compiled before it could measure limits; compile the model again.")
        function.restype, function.argtypes = c_double, [c_char_p, c_uint32]
        yield cast("Callable[[bytes, int], float]", function)
    finally:
        unload_code(library)


def address(library: ctypes.CDLL, name: str) -> int:
    """The address of an exported function; raises `PackageError` where the library has none of that name."""
    try:
        found = ctypes.cast(getattr(library, name), c_void_p).value
    except (AttributeError, ValueError) as error:  # ValueError: a zero byte in the name
        raise PackageError(f"{library._name} does not export {name}; compile the model again.") from error
    assert found is not None
    return found


def needs_of(library: ctypes.CDLL, body: str, head: str | None, layout: str) -> Any:
    """A pointer to what the library says of a program.

    Args:
        library: a die's.
        body: the program's symbol, before the ABI's prefix.
        head: that of its second part, if it has one.
        layout: the hash of where all lies in its memory, as the package's JSON files say it.

    Raises:
        PackageError: the library has no such program, or it was compiled for other memory.
    """
    found = library.tyllm_needs_of(body.encode())
    if not found or found.contents.head.decode() != (head or ""):
        raise PackageError(f"{library._name} does not export {body} with head {head}; compile the model again.")
    if found.contents.layout.decode() != layout:
        raise PackageError(
            f"{library._name} was compiled for other sizes and places in memory than the package's {BUFFER_CONFIG} and "
            f"{AOT_CONFIG} say of {body}; compile the model again."
        )
    return found
