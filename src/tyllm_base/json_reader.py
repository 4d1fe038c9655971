"""The one reader of JSON that a stranger may have made; strict, so that two readers never see two different values.

Refused beside what is no JSON (RFC 8259): a key twice in an object, NaN and infinities, numbers that no double holds,
a byte order mark, other encodings than UTF-8, halves of surrogate pairs, deep nesting, and texts of so many values
that they would fill the memory.
"""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from pathlib import Path
from typing import Any, NoReturn

from tyllm_base.errors import TyllmError
from tyllm_base.regular_file import read_regular_file

MAX_BYTES = 1 << 25  # the longest real file, the index of a model with 100,000 tensors, has 10 MB
MAX_DEPTH = 64  # nested objects and lists; far below Python's own limit, so that whoever walks them later is safe too
MAX_VALUES = 2_000_000  # an empty object of 3 bytes takes 64 in memory
MAX_DIGITS = 40  # 2^64 has 20, the 10^30 of many a model_max_length 31; Python takes seconds for millions of digits
BOM = b"\xef\xbb\xbf"
HALF_OF_A_PAIR = re.compile("[\ud800-\udfff]")


def parse_json(content: bytes, *, constants: bool = False) -> Any:
    """The value that JSON in UTF-8 says; raises `ValueError`, whose text is the middle of a sentence.

    Args:
        content: the file.
        constants: take NaN and infinities, which Python writes and which stand in configs, such as time_step_limit.
    """
    if content.startswith(BOM):
        raise ValueError("it begins with a byte order mark, which JSON has not: save it as UTF-8 without BOM")
    if sum(map(content.count, (b",", b"[", b"{"))) > MAX_VALUES:
        raise ValueError(f"it has more than {MAX_VALUES:,} values")
    try:
        value = json.loads(
            content.decode("utf-8"),
            object_pairs_hook=_object,
            parse_constant=float if constants else _constant,
            parse_float=_float,
            parse_int=_integer,
        )
    except UnicodeDecodeError as error:
        raise ValueError(f"it is not UTF-8: {error.reason} at byte {error.start:,}") from error
    except json.JSONDecodeError as error:
        raise ValueError(str(error)) from error
    except RecursionError:
        raise _too_deep() from None
    if _is_deep(value):
        raise _too_deep()
    if b"\\u" in content and HALF_OF_A_PAIR.search(json.dumps(value, ensure_ascii=False)):
        raise ValueError("a text in it has half of a surrogate pair, which is no character")
    return value


def read_json(
    path: Path, error: type[TyllmError], cure: str, max_bytes: int = MAX_BYTES, *, constants: bool = False
) -> dict[str, Any]:
    """The object in a JSON file.

    Args:
        path: the file.
        error: the class of what is raised.
        cure: what to do, such as "download it again".
        max_bytes: the most that is read.
        constants: as `parse_json` has it.

    Raises:
        error: there is no such file, it cannot be read, or it holds anything else.
    """
    return json_object(read_regular_file(path, error, cure, max_bytes), path, error, cure, constants=constants)


def json_object(
    content: bytes, path: object, error: type[TyllmError], cure: str, *, constants: bool = False
) -> dict[str, Any]:
    """The object in a JSON text; `path` is for the message, all else is as `read_json` has it."""
    try:
        value = parse_json(content, constants=constants)
    except ValueError as reason:
        raise error(f"{path} is not valid JSON ({reason}); {cure}.") from reason
    if not isinstance(value, dict):
        raise error(f"{path} holds a JSON {type(value).__name__} instead of an object; {cure}.")
    return value


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        twice, _ = Counter(key for key, _ in pairs).most_common(1)[0]
        raise ValueError(f"the key {twice!r:.60} is there twice")
    return found


def _constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number of JSON")


def _float(text: str) -> float:
    number = float(text) if len(text) <= 10 * MAX_DIGITS else math.inf
    if not math.isfinite(number):
        raise ValueError(f"the number {text:.30} is too large or too long")
    return number


def _integer(text: str) -> int:
    if len(text) > MAX_DIGITS:
        raise ValueError(f"the number {text:.30}… has {len(text):,} digits")
    return int(text)


def _is_deep(value: Any) -> bool:
    """Whether there are more than `MAX_DEPTH` objects and lists within each other; level by level, so without limit."""
    level = [value]
    for _ in range(MAX_DEPTH):
        nested = [part for part in level if isinstance(part, (dict, list))]
        level = [child for part in nested for child in (part.values() if isinstance(part, dict) else part)]
        if not level:
            return False
    return any(isinstance(part, (dict, list)) for part in level)


def _too_deep() -> ValueError:
    return ValueError(f"it nests more than {MAX_DEPTH} objects and lists")
