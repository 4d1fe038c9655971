"""manifest.json: the model and machine of a package, its builders, and the size and SHA-256 of its every other file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

from tyllm.package.file_names import MANIFEST
from tyllm.package.json_file import fields_of, read_json, write_json
from tyllm_base.errors import PackageError

FORMAT_VERSION = 2
RUNTIME_ABI = 1


@dataclass(frozen=True)
class FileEntry:
    """A file's `size` in bytes and its SHA-256 as 64 hexadecimal digits."""

    size: int
    sha256: str


@dataclass(frozen=True)
class Target:
    """The machine that the code is for; `features` are CPU flags as /proc/cpuinfo spells them."""

    name: str
    triple: str
    cpu: str = ""
    features: tuple[str, ...] = ()

    @property
    def machine(self) -> str:
        """The instruction set as `platform.machine()` names it, such as x86_64 or aarch64."""
        return self.triple.split("-", maxsplit=1)[0]


@dataclass(frozen=True)
class ImageSize:
    """A size that the vision tower is compiled for: height and width in pixels, `grid` of patches [rows, columns]."""

    height: int
    width: int
    grid: tuple[int, int]

    @property
    def name(self) -> str:
        """The name of its program, such as "540x960"."""
        return f"{self.height}x{self.width}"


@dataclass(frozen=True)
class Visual:
    """The vision tower of a package.

    Attributes:
        dies: number of dies that it is split over.
        die_order: for each of them the physical die that runs it; the first is the main one.
        sizes: sizes of images, each with a program of its own.
        merge_size: patches along each side that become one token of the language model.
        tokens: special token → its id: "image", "video", "start", "end".
        tokens_per_second: steps of the temporal position in a second of video; None where frames are counted.
    """

    dies: int
    die_order: tuple[int, ...]
    sizes: tuple[ImageSize, ...]
    merge_size: int
    tokens: Mapping[str, int]
    tokens_per_second: float | None

    @classmethod
    def from_json(cls, raw: Mapping[str, Any]) -> Visual:
        """The vision tower from its object in manifest.json."""
        sizes = (ImageSize(int(s["height"]), int(s["width"]), (s["grid"][0], s["grid"][1])) for s in raw["sizes"])
        order = tuple(int(die) for die in raw["die_order"])
        return cls(
            int(raw["dies"]), order, tuple(sizes), int(raw["merge_size"]), raw["tokens"], raw["tokens_per_second"]
        )


@dataclass(frozen=True)
class Manifest:
    """The fields of manifest.json; docs/format.md says what each means."""

    tyllm_version: str
    architecture: str
    model_type: str
    vocab_size: int
    hidden_size: int
    layers: int
    dies: int
    seq_lens: tuple[int, ...]
    max_kv_cache_size: int
    embedding_as_input: bool
    activations: str
    quantization: Mapping[str, Any] | None
    target: Target
    exports: Mapping[str, str]
    built_with: Mapping[str, str]
    source: Mapping[str, str]
    files: Mapping[str, FileEntry] = field(default_factory=dict)
    die_order: tuple[int, ...] = ()
    visual: Visual | None = None
    rope: Sequence[Mapping[str, Any]] | None = None
    """Of a vision-language model: the module that computes rotary positions, as `ModuleConfig.to_json` has it."""
    batch: int = 1
    runtime_abi: int = RUNTIME_ABI
    format_version: int = FORMAT_VERSION

    @classmethod
    def read(cls, folder: Traversable) -> Manifest:
        """The manifest of the package in `folder`; raises `PackageError`."""
        path = folder / MANIFEST
        raw = read_json(path)
        check_versions(path, raw)
        with fields_of(path):
            target = raw["target"]
            return cls(
                **{name: raw[name] for name in PLAIN_FIELDS},
                seq_lens=tuple(int(length) for length in raw["seq_lens"]),
                die_order=tuple(int(die) for die in raw["die_order"]),
                visual=Visual.from_json(raw["visual"]) if raw["visual"] else None,
                target=Target(target["name"], target["triple"], target.get("cpu", ""), tuple(target["features"])),
                files={name: FileEntry(int(e["size"]), str(e["sha256"])) for name, e in raw["files"].items()},
            )

    def write_manifest(self, folder: Path) -> None:
        """Write manifest.json into `folder`; the last file of a package to be written."""
        write_json(folder / MANIFEST, asdict(self))


PLAIN_FIELDS = tuple(
    n for n in Manifest.__dataclass_fields__ if n not in ("seq_lens", "die_order", "visual", "target", "files")
)


def check_versions(path: Traversable, raw: Mapping[str, Any]) -> None:
    """Raise `PackageError` unless this release reads the format and speaks the ABI."""
    for name, ours in (("format_version", FORMAT_VERSION), ("runtime_abi", RUNTIME_ABI)):
        theirs = raw.get(name)
        if theirs != ours:
            raise PackageError(
                f"{path} has {name} {theirs}, this TyLLM reads {ours}; compile the model again, "
                f"or install the TyLLM that compiled it ({raw.get('tyllm_version', 'unknown')})."
            )
