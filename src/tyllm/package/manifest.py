"""manifest.json: the model and machine of a package, its builders, and the size and SHA-256 of its every other file.

It ends with a SHA-256 of itself: of its own bytes, with zeros in the place of that hash. So a bit that is flipped
anywhere in it, be it in a space, is found before its JSON is read.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Annotated, Any

from msgspec import Meta, field

from tyllm.package.compiled_module import AotConfig, ModuleBuffers
from tyllm.package.field_types import (
    FORMAT_VERSION,
    RUNTIME_ABI,
    BatchSize,
    Bytes,
    Count,
    Die,
    DieCount,
    Digest,
    FileName,
    Record,
    SeqLen,
    Side,
    Symbol,
    Text,
    TokenId,
    Version,
    one_of,
)
from tyllm.package.file_names import MANIFEST
from tyllm.package.json_file import CURE, checked, content_of, json_object, json_text, shown
from tyllm.package.step_shape import StepShape, step_shapes
from tyllm_base.errors import PackageError

NO_DIGEST = "0" * 64
BEFORE_DIGEST, AFTER_DIGEST = b',\n  "sha256": "', b'"\n}\n'
"""What stands around the hash of itself at the end of the file."""
Dies = Annotated[tuple[Die, ...], Meta(max_length=64)]


class FileEntry(Record, frozen=True):
    """A file's `size` in bytes and its SHA-256 as 64 hexadecimal digits."""

    size: Bytes
    sha256: Digest


class Target(Record, frozen=True):
    """The machine that the code is for; `features` are CPU flags as /proc/cpuinfo spells them."""

    name: Text
    triple: Text
    cpu: Text = ""
    features: Annotated[tuple[Text, ...], Meta(max_length=1000)] = ()

    @property
    def machine(self) -> str:
        """The instruction set as `platform.machine()` names it, such as x86_64 or aarch64."""
        return self.triple.split("-", maxsplit=1)[0]


class Exports(Record, frozen=True):
    """Symbols of a die's functions, before the ABI's prefix."""

    body: Symbol
    head: Symbol


class QuantizationEntry(Record, frozen=True):
    """How the weights were quantized, for people to read."""

    method: Text
    bits: Annotated[int, Meta(ge=4, le=4)]
    group_size: Annotated[int, Meta(ge=-1, le=1 << 20)]


class ImageSize(Record, frozen=True):
    """A size that the vision tower is compiled for: height and width in pixels, `grid` of patches [rows, columns]."""

    height: Side
    width: Side
    grid: tuple[Side, Side]

    @property
    def name(self) -> str:
        """The name of its program, such as "540x960"."""
        return f"{self.height}x{self.width}"


class Visual(Record, frozen=True):
    """The vision tower of a package.

    Attributes:
        dies: number of dies that it is split over.
        die_order: for each of them the physical die that runs it; the first is the main one.
        sizes: sizes of images, each with a program of its own.
        merge_size: patches along each side that become one token of the language model.
        tokens: special token → its id: "image", "video", "start", "end".
        tokens_per_second: steps of the temporal position in a second of video; None where frames are counted.
    """

    dies: DieCount
    die_order: Dies
    sizes: Annotated[tuple[ImageSize, ...], Meta(min_length=1, max_length=10_000)]
    merge_size: Annotated[int, Meta(ge=1, le=64)]
    tokens: Mapping[Annotated[str, one_of("image", "video", "start", "end")], TokenId]
    tokens_per_second: Annotated[float, Meta(gt=0, le=1e6)] | None


class Manifest(Record, frozen=True):
    """The fields of manifest.json; docs/format.md says what each means."""

    tyllm_version: Text
    architecture: Text
    model_type: Text
    vocab_size: Count
    hidden_size: Count
    layers: Annotated[int, Meta(ge=1, le=10_000)]
    dies: DieCount
    seq_lens: Annotated[tuple[SeqLen, ...], Meta(min_length=1, max_length=1000)]
    max_kv_cache_size: Count
    embedding_as_input: bool
    activations: Annotated[str, one_of("int8", "float16")]
    quantization: QuantizationEntry | None
    target: Target
    exports: Exports
    built_with: Annotated[Mapping[Text, Text], Meta(max_length=100)]
    source: Annotated[Mapping[Text, Text], Meta(max_length=100)]
    files: Annotated[Mapping[FileName, FileEntry], Meta(max_length=100_000)] = field(default_factory=dict)
    die_order: Dies = ()
    visual: Visual | None = None
    rope: tuple[AotConfig, ModuleBuffers] | None = None
    """Of a vision-language model: the module that computes rotary positions, as `ModuleConfig.to_json` has it."""
    batch_sizes: Annotated[tuple[BatchSize, ...], Meta(max_length=100)] = ()
    runtime_abi: Annotated[int, Meta(ge=RUNTIME_ABI, le=RUNTIME_ABI)] = RUNTIME_ABI
    format_version: Version = FORMAT_VERSION
    sha256: Digest = NO_DIGEST
    """Zeros: the hash in the file is of the file with this in its place."""

    @property
    def shapes(self) -> list[StepShape]:
        """The shapes of its programs."""
        return step_shapes(self.seq_lens, self.batch_sizes)

    @classmethod
    def read(cls, folder: Traversable) -> Manifest:
        """The manifest of the package in `folder`; raises `PackageError`."""
        path = folder / MANIFEST
        return cls.parse(content_of(path), path)

    @classmethod
    def parse(cls, data: bytes, path: Traversable) -> Manifest:
        """The manifest that a file's bytes say; raises `PackageError`, which names `path`."""
        unsigned, digest = without_digest(data)
        if digest is None:
            check_versions(path, json_object(data, path))  # older packages have no digest
            raise PackageError(f"{path} does not end with its SHA-256, so it was changed or cut; copy it again.")
        if hashlib.sha256(unsigned).hexdigest().encode() != digest:
            raise PackageError(f"{path} was changed or damaged: its SHA-256 is another; copy it again, or {CURE}.")
        raw = json_object(unsigned, path)
        check_versions(path, raw)
        return checked(raw, path, cls)

    def write_manifest(self, folder: Path) -> None:
        """Write manifest.json into `folder`; the last file of a package to be written."""
        (folder / MANIFEST).write_bytes(with_digest(json_text(self).encode()))


def with_digest(text: bytes) -> bytes:
    """The bytes of a manifest, whose last field is `NO_DIGEST`, with their SHA-256 in its place."""
    unsigned, digest = without_digest(text)
    assert digest == NO_DIGEST.encode(), "the manifest has its hash already"
    return text[: -len(NO_DIGEST) - len(AFTER_DIGEST)] + hashlib.sha256(unsigned).hexdigest().encode() + AFTER_DIGEST


def without_digest(data: bytes) -> tuple[bytes, bytes | None]:
    """The bytes of a manifest with zeros for its hash, and that hash; None where its end is no hash."""
    start = len(data) - len(AFTER_DIGEST) - len(NO_DIGEST)
    if start < 0 or not data[:start].endswith(BEFORE_DIGEST) or not data.endswith(AFTER_DIGEST):
        return data, None
    return data[:start] + NO_DIGEST.encode() + AFTER_DIGEST, data[start : -len(AFTER_DIGEST)]


def check_versions(path: Traversable, raw: Mapping[str, Any]) -> None:
    """Raise `PackageError` unless this release reads the format and speaks the ABI."""
    for name, ours in (("format_version", FORMAT_VERSION), ("runtime_abi", RUNTIME_ABI)):
        theirs = raw.get(name)
        if theirs != ours:
            raise PackageError(
                f"{path} has {name} {theirs!r:.20}, this TyLLM reads {ours}; compile the model again, "
                f"or install the TyLLM that compiled it ({shown(raw.get('tyllm_version', 'unknown'), 60)})."
            )
