"""Packages with forged fields, all hashes made right again: only the checks of what is said can refuse them."""

from __future__ import annotations

import copy
import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tyllm.package.manifest import NO_DIGEST, with_digest

MANIFEST = "manifest.json"
Place = tuple[str | int, ...]
"""Keys and indexes from a file's object down to a value."""


def _nested(depth: int) -> Any:
    value: Any = 0
    for _ in range(depth):
        value = [value]
    return value


VALUES: tuple[Any, ...] = (
    0, 1, -1, 2**31, 2**63, 2**70, 1.5, float("nan"), float("inf"), 1e308, True, None, "", "0", "x" * 100_000,
    "\x1b[2J", "../../etc/passwd", "{0}", [], {}, [0], {"a": 1}, _nested(40), _nested(60),
)  # fmt: skip
"""What is put in the place of every value; of an integer also its neighbors, its double, and itself as a text."""


@dataclass(frozen=True)
class Forgery:
    """A change to one JSON file of a package: what `change` names is done at `place`."""

    file: str
    place: Place
    change: str
    value: Any = None

    def __str__(self) -> str:
        return f"{self.file}:{'.'.join(map(str, self.place))}:{self.change}:{self.value!r:.40}"

    def apply(self, package: Path) -> None:
        """Change the file, and make all hashes right."""
        path = package / self.file
        raw = read(path)
        if not self.place:
            raw = self.value
        else:
            *above, last = self.place
            holder = at(raw, above)
            if self.change == "set":
                holder[last] = copy.deepcopy(self.value)
            elif self.change == "remove":
                del holder[last]
            else:
                holder["added"] = copy.deepcopy(self.value)
        path.write_text(json.dumps(raw), encoding="utf-8")
        reseal(package, self.file)


def forgeries(package: Path, files: tuple[str, ...] | None = None) -> Iterator[Forgery]:
    """Every value of every JSON file changed in every way: another value, no value, one more."""
    for file in files or json_files(package):
        for place, value in places(read(package / file)):
            yield from _of(file, place, value)


def json_files(package: Path) -> tuple[str, ...]:
    """The package's JSON files, but for the tokenizer's own, which another library reads."""
    found = sorted(path.relative_to(package).as_posix() for path in package.rglob("*.json"))
    return tuple(name for name in found if name not in ("tokenizer.json", "vocab.json"))


def places(value: Any, place: Place = ()) -> Iterator[tuple[Place, Any]]:
    """Every value in a JSON value, with its place."""
    yield place, value
    children = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, child in children:
        if (*place, key) != ("sha256",):
            yield from places(child, (*place, key))


def at(value: Any, place: Place | list[str | int]) -> Any:
    """The value at a place."""
    for key in place:
        value = value[key]
    return value


def read(path: Path) -> Any:
    """A file's JSON."""
    return json.loads(path.read_text(encoding="utf-8"))


def edit(package: Path, file: str, **changes: Any) -> None:
    """Change fields of a file's object, and make all hashes right."""
    (package / file).write_text(json.dumps(read(package / file) | changes), encoding="utf-8")
    reseal(package, file)


def reseal(package: Path, *files: str) -> None:
    """Make the manifest's entries of some files right, and its hash of itself."""
    manifest = read(package / MANIFEST)
    if not isinstance(manifest, dict) or not isinstance(manifest.get("files"), dict):
        return
    for file in files:
        if file != MANIFEST and file in manifest["files"]:
            content = (package / file).read_bytes()
            manifest["files"][file] = {"size": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    manifest.pop("sha256", None)
    text = json.dumps(manifest | {"sha256": NO_DIGEST}, indent=2, ensure_ascii=False) + "\n"
    (package / MANIFEST).write_bytes(with_digest(text.encode("utf-8", "surrogatepass")))


def _of(file: str, place: Place, value: Any) -> Iterator[Forgery]:
    if isinstance(value, dict):
        yield Forgery(file, (*place, "added"), "add", 1)
    if not place:
        yield from (Forgery(file, place, "set", other) for other in ([], "x", 1, None, {}))
        return
    yield Forgery(file, place, "remove")
    near = ()
    if isinstance(value, int) and not isinstance(value, bool):
        near = (value + 1, value - 1, value + 64, value - 64, 2 * value, value // 2, float(value), str(value))
    for other in (*VALUES, *near):
        if type(other) is not type(value) or other != value:
            yield Forgery(file, place, "set", other)
