"""JSON files of a package: strict JSON, of the fields and bounds that a type gives, or one sentence."""

from __future__ import annotations

import json
from collections.abc import Mapping
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from tyllm_base import json_reader
from tyllm_base.errors import PackageError
from tyllm_base.json_reader import MAX_BYTES
from tyllm_base.printable import one_line
from tyllm_base.regular_file import read_regular_file

CURE = "compile the model again"
T = TypeVar("T")


def content_of(path: Traversable) -> bytes:
    """The bytes of a file on disk, or of one that is held in memory; raises `PackageError` where there is none."""
    return read_regular_file(path, PackageError, CURE, MAX_BYTES) if isinstance(path, Path) else path.read_bytes()


def read_json(path: Traversable, *, constants: bool = False) -> dict[str, Any]:
    """The object in a JSON file, `constants` as `parse_json` has it; raises `PackageError` where there is none."""
    return json_object(content_of(path), path, constants=constants)


def read_json_if_there(path: Traversable) -> dict[str, Any]:
    """As `read_json`, of a file that Hugging Face's libraries wrote; an empty object where there is none."""
    return read_json(path, constants=True) if path.is_file() else {}


def json_object(data: bytes, path: Traversable, *, constants: bool = False) -> dict[str, Any]:
    """The object in a JSON text; `path` is for the message of the `PackageError`."""
    return json_reader.json_object(data, path, PackageError, CURE, constants=constants)


def parsed(data: bytes, path: Traversable, kind: type[T]) -> T:
    """The object in a JSON text, of a type; raises `PackageError`, which names `path`."""
    return checked(json_object(data, path), path, kind)


def checked(value: object, path: Traversable, kind: type[T], *, whole: bool = True) -> T:
    """A JSON value as a type made of `msgspec` structs.

    Args:
        value: what `json_object` gave.
        path: where it is from, for the message.
        kind: the type.
        whole: whether every field of its structs must be there, also those with a default.

    Raises:
        PackageError: a field is missing, unknown, of another type or out of its bounds.
    """
    try:
        found = msgspec.convert(value, kind, strict=True, str_keys=True)
        left_out = _left_out(value, msgspec.to_builtins(found, str_keys=True)) if whole else ""
    except (msgspec.ValidationError, RecursionError) as error:
        raise PackageError(f"{path} says what cannot be ({shown(error)}); {CURE}.") from error
    if left_out:
        raise PackageError(f"{path} leaves out {left_out}; {CURE}.")
    return found


def write_json(path: Path, value: object) -> None:
    """Write `value` as indented JSON."""
    path.write_text(json_text(value), encoding="utf-8")


def json_text(value: object) -> str:
    """Indented JSON of a value or a struct."""
    return json.dumps(msgspec.to_builtins(value, str_keys=True), indent=2, ensure_ascii=False) + "\n"


def shown(text: object, most: int = 300) -> str:
    """Foreign text within a sentence: on one line, without control characters, and not without end."""
    found = one_line(str(text)[: most + 1])
    return found if len(found) <= most else f"{found[:most]}…"


def _left_out(value: Any, whole: Any, place: str = "") -> str:
    """The first field of `whole` that `value` does not have; "" where there is none."""
    if isinstance(whole, Mapping):
        pairs = ((f"{place}.{name}" if place else name, value.get(name, _MISSING), own) for name, own in whole.items())
    elif isinstance(whole, list | tuple):
        pairs = ((f"{place}[{index}]", *both) for index, both in enumerate(zip(value, whole, strict=True)))
    else:
        return ""
    found = (name if own is _MISSING else _left_out(own, part, name) for name, own, part in pairs)
    return next(filter(None, found), "")


_MISSING = object()
