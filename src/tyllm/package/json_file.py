"""JSON files of a package: reads an object, and turns a missing or wrong field into one sentence."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

from tyllm_base.errors import PackageError
from tyllm_base.json_reader import parse_json
from tyllm_base.system_errors import read_refusal


def read_json(path: Traversable, *, constants: bool = False) -> dict[str, Any]:
    """The object in a JSON file, `constants` as `parse_json` has it; raises `PackageError` where there is none."""
    try:
        value = parse_json(path.read_bytes(), constants=constants)
    except OSError as error:
        raise read_refusal(str(path), error, PackageError) from error
    except ValueError as error:
        raise PackageError(f"{path} is not JSON ({error}); compile the model again.") from error
    if not isinstance(value, dict):
        raise PackageError(f"{path} holds a {type(value).__name__} instead of an object; compile the model again.")
    return value


def read_json_if_there(path: Traversable) -> dict[str, Any]:
    """As `read_json`, of a file that Hugging Face's libraries wrote; an empty object where there is none."""
    return read_json(path, constants=True) if path.is_file() else {}


@contextmanager
def fields_of(path: Traversable) -> Iterator[None]:
    """Turn a missing field or one of another type, met inside, into a `PackageError` that names the file."""
    try:
        yield
    except KeyError as error:
        raise PackageError(f"{path} has no field {error}; compile the model again.") from error
    except (TypeError, ValueError, AttributeError) as error:
        raise PackageError(f"{path} has a field of the wrong type ({error}); compile the model again.") from error


def write_json(path: Path, value: object) -> None:
    """Write `value` as indented JSON."""
    path.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
