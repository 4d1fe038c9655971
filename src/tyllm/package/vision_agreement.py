"""What the files of a vision-language model's package say of its tower and its rotary positions, side by side."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib.resources.abc import Traversable
from typing import Any

from tyllm.package.buffer_config import BufferConfig
from tyllm.package.compiled_module import AOT_CONFIG, ModuleConfig
from tyllm.package.field_types import IoEntry
from tyllm.package.file_names import (
    BUFFER_CONFIG,
    CONFIG,
    MANIFEST,
    PREPROCESSOR,
    ROPE_CODE,
    ROPE_PARAMS,
    ROPE_PROGRAM,
    VISUAL,
    VISUAL_CODE,
    VISUAL_PARAMS,
)
from tyllm.package.hf_config import HfConfig, HfPreprocessor
from tyllm.package.manifest import ImageSize, Manifest, Visual

Fact = tuple[str, str, Any, str, Any]
"""Something that two files say: what, a file and its value, another file and its value."""
TOWER = f"{VISUAL}/{BUFFER_CONFIG}"
TOKENS = {
    "image": "image_token_id",
    "video": "video_token_id",
    "start": "vision_start_token_id",
    "end": "vision_end_token_id",
}


def vision_facts(
    files: Traversable,
    manifest: Manifest,
    buffers: BufferConfig,
    config: HfConfig,
    visual: ModuleConfig,
    rope: ModuleConfig,
) -> Iterator[Fact]:
    """All that two of the files say; raises `PackageError` where the preprocessor's cannot be read."""
    described, preprocessor = manifest.visual, HfPreprocessor.read(files)
    assert described is not None
    yield from _of_config(described, config, manifest.vocab_size)
    yield from _of_preprocessor(described, preprocessor, config)
    yield from _of_tower(described, visual)
    for size in described.sizes:
        yield from _of_size(size, described, preprocessor)
        for own in visual.dies:
            if size.name in own:
                yield from _of_io(size, manifest, preprocessor, own[size.name].io)
    yield from _of_rope(manifest, buffers, rope)


def _of_config(described: Visual, config: HfConfig, vocab_size: int) -> Iterator[Fact]:
    for name, field in TOKENS.items():
        token, own = described.tokens.get(name), getattr(config, field)
        if own is not None:
            yield field, MANIFEST, token, CONFIG, own
        yield (
            f"whether {name} is a token of the vocabulary",
            MANIFEST,
            token is not None and token < vocab_size,
            CONFIG,
            True,
        )
    own_tokens = len(set(described.tokens.values()))
    yield "the number of different tokens for images and videos", MANIFEST, own_tokens, "the format", len(TOKENS)
    found = config.vision_config
    if found and found.spatial_merge_size is not None:
        yield "merge_size", MANIFEST, described.merge_size, CONFIG, found.spatial_merge_size
    if found and found.tokens_per_second is not None:
        yield "tokens_per_second", MANIFEST, described.tokens_per_second, CONFIG, found.tokens_per_second


def _of_preprocessor(described: Visual, preprocessor: HfPreprocessor, config: HfConfig) -> Iterator[Fact]:
    yield "merge_size", MANIFEST, described.merge_size, PREPROCESSOR, preprocessor.merge
    if config.vision_config and config.vision_config.patch_size is not None:
        yield "patch_size", PREPROCESSOR, preprocessor.side, CONFIG, config.vision_config.patch_size


def _of_tower(described: Visual, visual: ModuleConfig) -> Iterator[Fact]:
    aot = f"{VISUAL}/{AOT_CONFIG}"
    yield "the number of the tower's dies", MANIFEST, described.dies, TOWER, len(visual.dies)
    yield (
        "the sizes of images",
        MANIFEST,
        [size.name for size in described.sizes],
        aot,
        [p.name for p in visual.programs],
    )
    yield "code", "the format", VISUAL_CODE, aot, visual.code
    yield "params", "the format", VISUAL_PARAMS, aot, visual.params
    for program in visual.programs:
        names = ("patches",), ("embeddings",)
        yield "inputs and outputs", "the format", names, aot, (program.inputs, program.outputs)


def _of_size(size: ImageSize, described: Visual, preprocessor: HfPreprocessor) -> Iterator[Fact]:
    """Each side is rounded to whole tokens, as Hugging Face's smart_resize does."""
    merge, side = described.merge_size, preprocessor.side
    grid = tuple(max(1, round(pixels / (merge * side))) * merge for pixels in (size.height, size.width))
    yield f"the grid of {size.name}", MANIFEST, size.grid, f"{PREPROCESSOR} (patches of {side})", grid


def _of_io(
    size: ImageSize, manifest: Manifest, preprocessor: HfPreprocessor, io: Mapping[str, IoEntry]
) -> Iterator[Fact]:
    assert manifest.visual is not None
    patches, merge = size.grid[0] * size.grid[1], manifest.visual.merge_size
    expected = {
        "patches": (PREPROCESSOR, (patches, preprocessor.patch_values)),
        "embeddings": (MANIFEST, (patches // merge**2, manifest.hidden_size)),
    }
    for name, (file, shape) in expected.items():
        yield f"{name} of {size.name}", file, ("float32", shape), TOWER, _kind(io.get(name))


def _of_rope(manifest: Manifest, buffers: BufferConfig, rope: ModuleConfig) -> Iterator[Fact]:
    where = f"{MANIFEST}, as rope,"
    (*_, program) = rope.programs
    yield "the module of rotary positions", "the format", (1, ROPE_CODE, ROPE_PARAMS), where, (
        len(rope.dies), rope.code, rope.params)  # fmt: skip
    names = [(ROPE_PROGRAM, ("positions",), ("rope_param",))]
    yield "its programs", "the format", names, where, [(p.name, p.inputs, p.outputs) for p in rope.programs]
    io, rows = rope.dies[0][program.name].io, manifest.max_kv_cache_size
    table = io.get("rope_param")
    half = table.shape[-1] if table and table.shape else 0
    yield "positions", MANIFEST, ("int32", (3, rows)), where, _kind(io.get("positions"))
    yield "rope_param", MANIFEST, ("float32", (rows, 2, half)), where, _kind(table)
    for die in buffers.dies:
        for shape in buffers.shapes:
            expected, found = ("float32", (shape.tokens, 2, half)), die.memory(shape).io.get("rope_param")
            yield f"rope_param of {shape}", where, expected, BUFFER_CONFIG, _kind(found)


def _kind(entry: IoEntry | None) -> tuple[str, tuple[int, ...]] | None:
    return (entry.dtype, entry.shape) if entry else None
