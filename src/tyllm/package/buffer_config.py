"""The buffer configuration: sizes and offsets of what a die holds in memory while it runs."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

import numpy as np

from tyllm.package.file_names import BUFFER_CONFIG
from tyllm.package.json_file import fields_of, read_json, write_json
from tyllm.package.manifest import FORMAT_VERSION
from tyllm_base.errors import PackageError

KEY_TILE = 16
"""Keys that lie together; kv_capacity is a multiple of it."""
KV_TYPES = ("float16", "int8")
IO_TYPES = ("float32", "float16", "int64", "int32", "bool")
IO_NAMES = ({"position"}, {"row"}, {"logits"}, {"tokens", "embeddings"}, {"positions", "rope_param"})
"""Names in the io of every program of a language model: one of each set."""


@dataclass(frozen=True)
class IoEntry:
    """A named part of the io or KV region: `offset` in bytes, `shape`, `dtype` as NumPy names it."""

    offset: int
    shape: tuple[int, ...]
    dtype: str

    @property
    def nbytes(self) -> int:
        """Its size in bytes."""
        return math.prod(self.shape) * np.dtype(self.dtype).itemsize


@dataclass(frozen=True)
class ProgramMemory:
    """Memory of one die's program for one sequence length: bytes of arena and of io, and the entries of io."""

    arena_bytes: int
    io_bytes: int
    io: Mapping[str, IoEntry]


@dataclass(frozen=True)
class KvLayer:
    """Byte offsets of a layer's keys and values in the KV region; `v_head_dim` is the width of a stored value."""

    k_offset: int
    v_offset: int
    kv_heads: int
    head_dim: int
    v_head_dim: int
    dtype: str = "float16"
    k_scale_offset: int | None = None
    v_scale_offset: int | None = None

    def tensors(self, kv_capacity: int) -> dict[str, IoEntry]:
        """Offset, shape and dtype of the layer's tensors in the KV region.

        Returns:
            `k`: [kv_heads, kv_capacity / 16, head_dim, 16], sixteen keys together and transposed; `v`: [kv_heads,
            kv_capacity, v_head_dim]; of an int8 cache also `k_scale` and `v_scale`: float32 [kv_heads, kv_capacity].
        """
        tiles = kv_capacity // KEY_TILE
        found = {
            "k": IoEntry(self.k_offset, (self.kv_heads, tiles, self.head_dim, KEY_TILE), self.dtype),
            "v": IoEntry(self.v_offset, (self.kv_heads, kv_capacity, self.v_head_dim), self.dtype),
        }
        for name, offset in (("k_scale", self.k_scale_offset), ("v_scale", self.v_scale_offset)):
            if offset is not None:
                found[name] = IoEntry(offset, (self.kv_heads, kv_capacity), "float32")
        return found


@dataclass(frozen=True)
class DieBuffers:
    """One die: its rows [start, stop) of the vocabulary, its KV cache, its programs by sequence length."""

    die: int
    vocabulary: tuple[int, int]
    kv_bytes: int
    layers: tuple[KvLayer, ...]
    programs: Mapping[int, ProgramMemory]


@dataclass(frozen=True)
class BufferConfig:
    """The fields of buffer_config.json; `kv_capacity` is max_kv_cache_size and the rows that a padded chunk wants."""

    max_kv_cache_size: int
    kv_capacity: int
    seq_lens: tuple[int, ...]
    dies: tuple[DieBuffers, ...]
    format_version: int = FORMAT_VERSION

    @classmethod
    def read(cls, folder: Traversable) -> BufferConfig:
        """The buffer configuration of the package in `folder`; raises `PackageError`."""
        path = folder / BUFFER_CONFIG
        raw = read_json(path)
        with fields_of(path):
            config = cls(
                int(raw["max_kv_cache_size"]),
                int(raw["kv_capacity"]),
                tuple(int(length) for length in raw["seq_lens"]),
                tuple(_die(die) for die in raw["dies"]),
                int(raw["format_version"]),
            )
            _check(path, config)
        return config

    def write_buffer_config(self, folder: Path) -> None:
        """Write buffer_config.json into `folder`."""
        write_json(folder / BUFFER_CONFIG, asdict(self))


def _die(raw: Mapping[str, Any]) -> DieBuffers:
    start, stop = raw["vocabulary"]
    return DieBuffers(
        int(raw["die"]),
        (int(start), int(stop)),
        int(raw["kv_bytes"]),
        tuple(KvLayer(**layer) for layer in raw["layers"]),
        {int(seq_len): _program(program) for seq_len, program in raw["programs"].items()},
    )


def _program(raw: Mapping[str, Any]) -> ProgramMemory:
    io = {name: IoEntry(int(e["offset"]), tuple(e["shape"]), str(e["dtype"])) for name, e in raw["io"].items()}
    return ProgramMemory(int(raw["arena_bytes"]), int(raw["io_bytes"]), io)


def _check(path: Traversable, config: BufferConfig) -> None:
    """Nothing may lie outside its region or be missing from it: the runtime makes views from these numbers."""
    if config.kv_capacity % KEY_TILE:
        _contradiction(path, f"kv_capacity is {config.kv_capacity}, not a multiple of {KEY_TILE}")
    row = 0
    for die in config.dies:
        if die.vocabulary[0] != row:
            _contradiction(path, f"die {die.die} has the vocabulary from row {die.vocabulary[0]}, not from {row}")
        row = die.vocabulary[1]
        if sorted(die.programs) != sorted(config.seq_lens):
            _contradiction(path, f"die {die.die} has programs for {sorted(die.programs)}, not {config.seq_lens}")
        for layer in die.layers:
            _check_layer(path, config, die, layer)
        for program in die.programs.values():
            _check_io(path, die, program)


def _check_layer(path: Traversable, config: BufferConfig, die: DieBuffers, layer: KvLayer) -> None:
    if layer.dtype not in KV_TYPES or (layer.dtype == "int8") != (
        None not in (layer.k_scale_offset, layer.v_scale_offset)
    ):
        _contradiction(path, f"a layer of die {die.die} has a cache of type {layer.dtype!r} and other scales")
    tensors = layer.tensors(config.kv_capacity).values()
    if any(each.offset < 0 or each.offset + each.nbytes > die.kv_bytes for each in tensors):
        _contradiction(path, f"a layer of die {die.die} lies outside its {die.kv_bytes} bytes of KV cache")


def _check_io(path: Traversable, die: DieBuffers, program: ProgramMemory) -> None:
    for name, entry in program.io.items():
        if entry.dtype not in IO_TYPES or entry.offset < 0 or entry.offset + entry.nbytes > program.io_bytes:
            _contradiction(path, f"{name} of die {die.die} does not fit {program.io_bytes} bytes of io")
    missing = [" or ".join(sorted(names)) for names in IO_NAMES if not names & program.io.keys()]
    if missing:
        _contradiction(path, f"the io of die {die.die} lacks {', '.join(missing)}")
    rows = die.vocabulary[1] - die.vocabulary[0]
    if math.prod(program.io["logits"].shape) != rows:
        _contradiction(path, f"die {die.die} has {rows} rows of the vocabulary and other logits")


def _contradiction(path: Traversable, what: str) -> None:
    raise PackageError(f"{path} contradicts itself: {what}; compile the model again.")
