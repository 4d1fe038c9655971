"""The buffer configuration: sizes and offsets of what a die holds in memory while it runs."""

from __future__ import annotations

import math
from collections.abc import Mapping
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Annotated, NoReturn

from msgspec import Meta, field

from tyllm.package.field_types import (
    FORMAT_VERSION,
    MOST_DIES,
    BatchSize,
    BufferName,
    Bytes,
    Count,
    Die,
    IoEntry,
    Offset,
    Record,
    SeqLen,
    Version,
    one_of,
)
from tyllm.package.file_names import BUFFER_CONFIG
from tyllm.package.json_file import content_of, json_text, parsed
from tyllm.package.step_shape import StepShape, step_shapes
from tyllm_base.errors import PackageError

KEY_TILE = 16
"""Keys that lie together; kv_capacity is a multiple of it."""
Heads = Annotated[int, Meta(ge=1, le=1 << 16)]
IO_NAMES = ({"position"}, {"row"}, {"logits"}, {"tokens", "embeddings"}, {"positions", "rope_param"})
"""Names in the io of every program of a language model: one of each set."""


BATCH_NAMES, LOGIT_COUNT = ("slot", "row_count"), "logit_count"
"""Further names in the io of a batch; and of a program whose head takes several rows."""
SLOT_ALIGNMENT = 1 << 16
"""Bytes: slots begin at pages of any size that is usual, so that one's memory can be given back."""


def slot_bytes(kv_bytes: int) -> int:
    """From a slot's KV cache of so many bytes to the next one's."""
    return -(-kv_bytes // SLOT_ALIGNMENT) * SLOT_ALIGNMENT


class ProgramMemory(Record, frozen=True):
    """Memory of one die's program for one sequence length: bytes of arena and of io, and the entries of io."""

    arena_bytes: Bytes
    io_bytes: Bytes
    io: Annotated[Mapping[BufferName, IoEntry], Meta(max_length=100_000)]

    @property
    def logit_rows(self) -> int:
        """For how many tokens one run of the head gives logits."""
        return math.prod(self.io["row"].shape)


class KvLayer(Record, frozen=True):
    """Byte offsets of a layer's keys and values in the KV region; `v_head_dim` is the width of a stored value."""

    k_offset: Offset
    v_offset: Offset
    kv_heads: Heads
    head_dim: Heads
    v_head_dim: Heads
    dtype: Annotated[str, one_of("float16", "int8")] = "float16"
    k_scale_offset: Offset | None = None
    v_scale_offset: Offset | None = None

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


class DieBuffers(Record, frozen=True):
    """One die: its rows [start, stop) of the vocabulary, its KV cache, its programs by sequence length or by batch."""

    die: Die
    vocabulary: tuple[Annotated[int, Meta(ge=0, le=1 << 24)], Annotated[int, Meta(ge=1, le=1 << 24)]]
    kv_bytes: Bytes
    layers: Annotated[tuple[KvLayer, ...], Meta(min_length=1, max_length=10_000)]
    programs: Annotated[Mapping[SeqLen, ProgramMemory], Meta(max_length=1000)]
    batches: Annotated[Mapping[BatchSize, ProgramMemory], Meta(max_length=100)] = field(default_factory=dict)

    def memory(self, shape: StepShape) -> ProgramMemory:
        """The memory of the program of one shape."""
        return self.batches[shape.batch] if shape.is_batch else self.programs[shape.seq_len]

    @property
    def rows(self) -> int:
        """How many rows of the vocabulary it has."""
        return self.vocabulary[1] - self.vocabulary[0]


class BufferConfig(Record, frozen=True):
    """The fields of buffer_config.json; `kv_capacity` is max_kv_cache_size and the rows that a padded chunk wants."""

    max_kv_cache_size: Count
    kv_capacity: Annotated[int, Meta(ge=KEY_TILE, le=1 << 25, multiple_of=KEY_TILE)]
    seq_lens: Annotated[tuple[SeqLen, ...], Meta(min_length=1, max_length=1000)]
    dies: Annotated[tuple[DieBuffers, ...], Meta(min_length=1, max_length=MOST_DIES)]
    batch_sizes: Annotated[tuple[BatchSize, ...], Meta(max_length=100)] = ()
    format_version: Version = FORMAT_VERSION

    @property
    def shapes(self) -> list[StepShape]:
        """The shapes of its programs."""
        return step_shapes(self.seq_lens, self.batch_sizes)

    @property
    def slot_bytes(self) -> tuple[int, ...]:
        """For each die the bytes from a slot's KV cache to the next one's."""
        return tuple(slot_bytes(die.kv_bytes) for die in self.dies)

    @classmethod
    def read(cls, folder: Traversable) -> BufferConfig:
        """The buffer configuration of the package in `folder`; raises `PackageError`."""
        path = folder / BUFFER_CONFIG
        return cls.parse(content_of(path), path)

    @classmethod
    def parse(cls, data: bytes, path: Traversable) -> BufferConfig:
        """The buffer configuration that a file's bytes say; raises `PackageError`, which names `path`."""
        config = parsed(data, path, cls)
        _check(path, config)
        return config

    def write_buffer_config(self, folder: Path) -> None:
        """Write buffer_config.json into `folder`."""
        (folder / BUFFER_CONFIG).write_text(json_text(self), encoding="utf-8")


def _check(path: Traversable, config: BufferConfig) -> None:
    """Nothing may lie outside its region or be missing from it: the runtime makes views from these numbers."""
    least = config.max_kv_cache_size + max(config.seq_lens) - 1
    if config.kv_capacity < least:
        _contradiction(path, f"kv_capacity is {config.kv_capacity}, and a padded chunk writes up to row {least}")
    row = 0
    for number, die in enumerate(config.dies):
        if die.die != number:
            _contradiction(path, f"die {die.die} stands in the place of die {number}")
        if die.vocabulary[0] != row or die.rows < 1:
            _contradiction(path, f"die {number} has the vocabulary {list(die.vocabulary)}, not from row {row} on")
        row = die.vocabulary[1]
        for what, found, expected in (
            ("lengths", die.programs, config.seq_lens),
            ("batches", die.batches, config.batch_sizes),
        ):
            if sorted(found) != sorted(expected):
                _contradiction(path, f"die {number} has programs for {what} {sorted(found)}, not {list(expected)}")
        for layer in die.layers:
            _check_layer(path, config, die, layer)
        for shape in config.shapes:
            _check_io(path, die, shape, die.memory(shape))
            if die.memory(shape).logit_rows != config.dies[0].memory(shape).logit_rows:
                _contradiction(path, f"the heads of dies 0 and {number} take other numbers of rows of {shape}")


def _check_layer(path: Traversable, config: BufferConfig, die: DieBuffers, layer: KvLayer) -> None:
    scales = (layer.k_scale_offset, layer.v_scale_offset)
    if scales.count(None) != (0 if layer.dtype == "int8" else 2):
        _contradiction(path, f"a layer of die {die.die} has a cache of type {layer.dtype!r} and other scales")
    tensors = layer.tensors(config.kv_capacity).values()
    if any(each.offset + each.nbytes > die.kv_bytes for each in tensors):
        _contradiction(path, f"a layer of die {die.die} lies outside its {die.kv_bytes} bytes of KV cache")


def _check_io(path: Traversable, die: DieBuffers, step: StepShape, program: ProgramMemory) -> None:
    for name, entry in program.io.items():
        if entry.offset + entry.nbytes > program.io_bytes:
            _contradiction(path, f"{name} of die {die.die} does not fit {program.io_bytes} bytes of io")
    expected = [*IO_NAMES, *({name} for name in BATCH_NAMES if step.is_batch)]
    missing = [" or ".join(sorted(names)) for names in expected if not names & program.io.keys()]
    if missing:
        _contradiction(path, f"the io of die {die.die} lacks {', '.join(missing)}")
    logit_rows = program.logit_rows
    if not 1 <= logit_rows <= step.tokens:
        _contradiction(path, f"the head of die {die.die} takes {logit_rows} rows of {step}")
    if logit_rows > 1 and LOGIT_COUNT not in program.io:
        _contradiction(path, f"the io of die {die.die} lacks {LOGIT_COUNT}")
    if math.prod(program.io["logits"].shape) != logit_rows * die.rows:
        _contradiction(path, f"die {die.die} has {die.rows} rows of the vocabulary and other logits")
    sizes = {"tokens": step.tokens, "batch": step.batch, "logit rows": step.batch if step.is_batch else logit_rows}
    for name, dtype, start in _IO_SHAPES:
        found = program.io.get(name)
        shape = tuple(sizes[n] if isinstance(n, str) else n for n in start)
        if found and (found.dtype != dtype or found.shape[: len(shape)] != shape):
            _contradiction(path, f"{name} of die {die.die} is {found.dtype} {list(found.shape)} for {step}")


_IO_SHAPES = (
    ("tokens", "int64", (1, "tokens")),
    ("embeddings", "float32", (1, "tokens")),
    ("positions", "int64", (1, "tokens")),
    ("rope_param", "float32", ("tokens", 2)),
    ("position", "int64", ("batch",)),
    ("slot", "int64", ("batch",)),
    ("row", "int64", ("logit rows",)),
    ("row_count", "int64", (1,)),
    ("logit_count", "int64", (1,)),
    ("first_token", "int64", (1,)),
    ("logits", "float32", ()),
)
"""Entries of io: type, and how the shape begins; the words are those of `_check_io`."""


def _contradiction(path: Traversable, what: str) -> NoReturn:
    raise PackageError(f"{path} contradicts itself: {what}; compile the model again.")
