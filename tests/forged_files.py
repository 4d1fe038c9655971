"""Packages with forged code, parameters or missing fields, all hashes made right again.

Values of parameters are left as they are: other weights are another model, and nothing can tell which one was meant.
Likewise code is replaced whole, cut short or changed where the dynamic linker looks first; a library that is changed
within is a program, and may do what it likes.
"""

from __future__ import annotations

import json
import random
import sysconfig
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.forgeries import Forgery, reseal

ALIGNMENT = 64
HUGE = (1 << 31, 1 << 40, 1 << 63, 1 << 70)
OTHERS: tuple[Any, ...] = (0, 1, -1, *HUGE, 1.5, None, "x", [], {}, [1, 2, 3], [-1], [0], [1 << 40, 1 << 40], True)
DTYPES = ("F64", "F32", "F16", "BF16", "I64", "I32", "I16", "I8", "U8", "BOOL", "F8_E4M3", "", "f32")
ELF_BYTES = (0, 1, 2, 3, 4, 5, 6, 16, 17, 18, 19, 20, 54)  # magic, class, order, versions, type, machine, phentsize
EXTREMES: dict[str, dict[str, tuple[Any, ...]]] = {
    "generation_config.json": {
        "temperature": (1e308, -1, 0, "hot", None, [], float("nan")),
        "top_k": (-1, 0, 1 << 70, 1.5, "x"),
        "top_p": (-1, 2, 1e308, "x", float("inf")),
        "repetition_penalty": (0, -1, 1e-320, 1e308, "x"),
        "max_new_tokens": (-1, 0, 1 << 70, "x"),
        "eos_token_id": (-1, 1 << 31, 1 << 70, [1 << 70], [-5, 3], [], [[1]], "2", 1.5, True, [None], 511, 512, 10**6),
        "bos_token_id": (-1, 1 << 70, "x", []),
        "stop_strings": ("", [], [""], 5, ["x" * 100_000]),
    },
    "preprocessor_config.json": {
        "patch_size": (0, -14, 1, 13, 1 << 40, 14.5, "14", [14], {"height": 14}),
        "temporal_patch_size": (0, -1, 1, 3, 64, 1 << 40, "2"),
        "merge_size": (0, -1, 1, 3, 1024, "2"),
        "min_pixels": (0, -1, 1 << 39, 1 << 70, 1.5, "x", 12845057),
        "max_pixels": (0, -1, 1, 3135, 1 << 70, 1e308, "x"),
        "size": ({"shortest_edge": 1 << 30, "longest_edge": 1}, {"shortest_edge": "x"}, 5, {"height": 0}, []),
        "image_mean": ([0.5] * 5, [], [1e308] * 3, ["x"] * 3, [[0.5]], 0, None, "x", [float("nan")] * 3),
        "image_std": ([0.5] * 5, [0, 0, 0], [-1, 1, 1], [1e-320] * 3, 0, "x", [float("inf")] * 3),
        "rescale_factor": (0, 1e308, -1, "x", float("nan")),
        "resample": (-1, 6, 99, 1 << 70, 2.5, "bicubic"),
        "do_resize": (5, "x", False),
        "do_rescale": (False, "x"),
        "do_normalize": (False, 7),
    },
    "config.json": {
        "architectures": (None, [], "X", [5], ["Other"]),
        "eos_token_id": (-1, 1 << 70, [1 << 70], "2", [[1]]),
        "vocab_size": (0, -1, 1, 511, 1 << 40, "512"),
        "text_config": (None, [], {}, {"vocab_size": 1}, {"hidden_size": -1}, {"eos_token_id": "x"}),
        "vision_config": (None, [], {}, {"patch_size": 0}, {"spatial_merge_size": 1 << 40}),
    },
}
"""Fields that a package may have or not, with values that nobody means."""


@dataclass(frozen=True)
class FileForgery:
    """A file's bytes made others; `how` says what was done."""

    file: str
    how: str
    change: Callable[[bytes], bytes]

    def __str__(self) -> str:
        return f"{self.file}: {self.how}"

    def apply(self, package: Path) -> None:
        """Change the file, and make all hashes right."""
        path = package / self.file
        path.write_bytes(self.change(path.read_bytes()))
        reseal(package, self.file)


def file_forgeries(package: Path, *others: Path, seed: int = 0) -> Iterator[Forgery | FileForgery]:
    """Every forgery of a package's code, parameters and optional fields.

    Args:
        package: a good one.
        others: packages whose code is put in the place of its own.
        seed: of the places where files are cut.
    """
    chance = random.Random(seed)
    for path in sorted(package.rglob("*.params")):
        yield from params_forgeries(path, path.relative_to(package).as_posix(), chance)
    yield from code_forgeries(package, others, chance)
    for file, fields in EXTREMES.items():
        if (package / file).is_file():
            for name, values in fields.items():
                yield from (Forgery(file, (name,), "set", value) for value in values)


def params_forgeries(path: Path, file: str, chance: random.Random) -> Iterator[FileForgery]:
    """A .params file whose header says what is not so, or whose bytes are too few or too many."""
    header, size = _header(path.read_bytes()), path.stat().st_size
    names = list(header)
    for name in chance.sample(names, min(4, len(names))):
        for field, values in (("dtype", DTYPES), ("shape", OTHERS), ("data_offsets", OTHERS)):
            for value in (*values, *_near(header[name][field], chance.choice(names), header)):
                yield FileForgery(file, f"{field} of {name} is {value!r:.40}", _with_field(name, field, value))
            yield FileForgery(file, f"{name} has no {field}", _without_field(name, field))
        yield FileForgery(file, f"no {name}", _changed(lambda raw, name=name: raw.pop(name)))
        yield FileForgery(file, f"{name} is called otherwise", _renamed(name, "\x1b[2J" + "x" * 70_000))
        yield FileForgery(file, f"{name} twice", _twice(name))
    for value in (0, 7, 56, 1 << 20, size, 1 << 40, 1 << 63, (1 << 64) - 1):
        yield FileForgery(
            file, f"a header of {value} bytes", lambda data, value=value: value.to_bytes(8, "little") + data[8:]
        )
    for text in (b"", b"[]", b"null", b"{", b"\xff\xfe", b'{"a": ' + b"[" * 20_000, b'{"a": 1e999}', b" " * 1000):
        yield FileForgery(file, f"the header {text!r:.20}", lambda data, text=text: _joined(text, _data(data)))
    yield from _lengths(file, size, chance, ALIGNMENT)


def code_forgeries(package: Path, others: tuple[Path, ...], chance: random.Random) -> Iterator[FileForgery]:
    """A library replaced by another die's, another length's, another package's or another program's, or cut short."""
    own = sorted(package.rglob("*.so"))
    foreign = [path for other in others for path in sorted(other.rglob("*.so"))]
    extension = next(Path(sysconfig.get_path("stdlib"), "lib-dynload").glob("*.so"), None)
    for path in own:
        file = path.relative_to(package).as_posix()
        for number, other in enumerate((*own, *foreign, *((extension,) if extension else ()))):
            if other != path:
                where = f"library {number} ({other.name} of {other.parent.name})"
                yield FileForgery(file, f"replaced by {where}", lambda data, other=other: other.read_bytes())
        yield FileForgery(file, "a text", lambda data: b"INPUT(/etc/passwd)\n")
        yield FileForgery(file, "zeros", lambda data: bytes(len(data)))
        for at in ELF_BYTES:
            yield FileForgery(file, f"byte {at} of the ELF header", lambda data, at=at: _flipped(data, at))
        yield from _lengths(file, path.stat().st_size, chance, 4096)


def _lengths(file: str, size: int, chance: random.Random, unit: int) -> Iterator[FileForgery]:
    """Cut at the file's ends and at random, and made longer."""
    cuts = {
        0,
        1,
        4,
        8,
        16,
        63,
        64,
        65,
        unit,
        size - unit,
        size - 1,
        size // 2,
        *(chance.randrange(size) for _ in range(8)),
    }
    for cut in sorted(cut for cut in cuts if 0 <= cut < size):
        yield FileForgery(file, f"cut at {cut} of {size}", lambda data, cut=cut: data[:cut])
    for more in (1, unit):
        yield FileForgery(file, f"{more} bytes more", lambda data, more=more: data + bytes(more))


def _near(value: Any, other: str, header: dict[str, Any]) -> Iterator[Any]:
    """Values of a field that are almost right: of another tensor, moved, turned around."""
    if not isinstance(value, list):
        return
    field = "data_offsets" if value == header[other].get("data_offsets") or len(value) == 2 else "shape"
    yield header[other][field]
    yield value[::-1]
    yield [*value, 1]
    yield value[:-1]
    for by in (1, -1, ALIGNMENT, -ALIGNMENT, 1 << 62):
        yield [each + by for each in value]
        yield [*value[:-1], value[-1] + by] if value else [by]


def _header(data: bytes) -> dict[str, Any]:
    length = int.from_bytes(data[:8], "little")
    return dict(json.loads(data[8 : 8 + length]))


def _data(data: bytes) -> bytes:
    return data[8 + int.from_bytes(data[:8], "little") :]


def _joined(text: bytes, data: bytes) -> bytes:
    """A .params file of a header's text and its data, which begins at a multiple of 64."""
    text += b" " * (-(8 + len(text)) % ALIGNMENT)
    return len(text).to_bytes(8, "little") + text + data


def _changed(change: Callable[[dict[str, Any]], object]) -> Callable[[bytes], bytes]:
    def changed(data: bytes) -> bytes:
        header = _header(data)
        change(header)
        return _joined(json.dumps(header).encode(), _data(data))

    return changed


def _with_field(name: str, field: str, value: Any) -> Callable[[bytes], bytes]:
    return _changed(lambda header: header[name].update({field: value}))


def _without_field(name: str, field: str) -> Callable[[bytes], bytes]:
    return _changed(lambda header: header[name].pop(field))


def _renamed(name: str, other: str) -> Callable[[bytes], bytes]:
    return _changed(lambda header: header.update({other: header.pop(name)}))


def _twice(name: str) -> Callable[[bytes], bytes]:
    def changed(data: bytes) -> bytes:
        header = _header(data)
        again = json.dumps({name: header[name]})[1:-1]
        return _joined(f"{json.dumps(header)[:-1]}, {again}}}".encode(), _data(data))

    return changed


def _flipped(data: bytes, at: int) -> bytes:
    return data[:at] + bytes([data[at] ^ 0xFF]) + data[at + 1 :]


def all_files(package: Path) -> dict[str, bytes]:
    """The content of every file that a forgery may change."""
    return {
        path.relative_to(package).as_posix(): path.read_bytes()
        for path in package.rglob("*")
        if path.suffix in (".json", ".params", ".so")
    }
