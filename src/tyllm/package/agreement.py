"""Whether the files of a package say the same: what two of them say is compared before anything is loaded."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.resources.abc import Traversable
from typing import Any, NamedTuple

from tyllm.package.buffer_config import BufferConfig
from tyllm.package.compiled_module import ModuleConfig
from tyllm.package.file_names import BUFFER_CONFIG, CONFIG, MANIFEST, VISUAL
from tyllm.package.hf_config import HfConfig, HfGenerationConfig
from tyllm.package.json_file import shown
from tyllm.package.manifest import Manifest
from tyllm.package.vision_agreement import vision_facts
from tyllm_base.errors import PackageError


class Fact(NamedTuple):
    """Something that two files say, and what each says."""

    what: str
    left_file: str
    left: Any
    right_file: str
    right: Any


class Parts(NamedTuple):
    """What a package's JSON files say of its language model, its vision tower and its rotary positions."""

    buffers: BufferConfig
    visual: ModuleConfig | None
    rope: ModuleConfig | None


def read_parts(files: Traversable, manifest: Manifest) -> Parts:
    """Read the JSON files of a package, and compare what two of them say.

    Args:
        files: its folder, or what is held of it.
        manifest: what its manifest says.

    Raises:
        PackageError: two files contradict each other, or one says what cannot be; it names both and both values.
    """
    visual = ModuleConfig.read(files / VISUAL) if manifest.visual else None
    rope = ModuleConfig.of(files / MANIFEST, *manifest.rope) if manifest.rope else None
    parts = Parts(BufferConfig.read(files), visual, rope)
    _check(files, manifest, *parts)
    return parts


def _check(
    files: Traversable,
    manifest: Manifest,
    buffers: BufferConfig,
    visual: ModuleConfig | None,
    rope: ModuleConfig | None,
) -> None:
    HfGenerationConfig.read(files)
    config = HfConfig.read(files)
    facts = [
        *_of_buffers(manifest, buffers),
        *_of_config(manifest, config),
        *_of_parts(manifest, buffers, visual, rope),
    ]
    if manifest.visual and visual and rope:
        facts += [Fact(*fact) for fact in vision_facts(files, manifest, buffers, config, visual, rope)]
    for fact in facts:
        if fact.left != fact.right:
            raise PackageError(
                f"{files} contradicts itself: {fact.what} is {shown(fact.left)} in {fact.left_file} and "
                f"{shown(fact.right)} in {fact.right_file}; compile the model again."
            )


def _of_buffers(manifest: Manifest, buffers: BufferConfig) -> Iterator[Fact]:
    pairs = {
        "dies": (manifest.dies, len(buffers.dies)),
        "seq_lens": (sorted(manifest.seq_lens), sorted(buffers.seq_lens)),
        "batch_sizes": (sorted(manifest.batch_sizes), sorted(buffers.batch_sizes)),
        "max_kv_cache_size": (manifest.max_kv_cache_size, buffers.max_kv_cache_size),
        "vocab_size": (manifest.vocab_size, buffers.dies[-1].vocabulary[1]),
    }
    for what, (left, right) in pairs.items():
        yield Fact(what, MANIFEST, left, BUFFER_CONFIG, right)
    for die in buffers.dies:
        caches = len(die.layers)  # one for each attention, of which each layer may have as many
        yield Fact("layers", MANIFEST, manifest.layers, BUFFER_CONFIG, caches // max(1, caches // manifest.layers))
        for program in (*die.programs.values(), *die.batches.values()):
            inputs = program.io.get("embeddings")
            yield Fact("embedding_as_input", MANIFEST, manifest.embedding_as_input, BUFFER_CONFIG, inputs is not None)
            if inputs:
                width = inputs.shape[-1]
                yield Fact("hidden_size", MANIFEST, manifest.hidden_size, BUFFER_CONFIG, width)


def _of_config(manifest: Manifest, config: HfConfig) -> Iterator[Fact]:
    pairs = {
        "model_type": (manifest.model_type, config.model_type),
        "vocab_size": (manifest.vocab_size, config.of_text("vocab_size")),
        "hidden_size": (manifest.hidden_size, config.of_text("hidden_size")),
        "num_hidden_layers": (manifest.layers, config.of_text("num_hidden_layers")),
    }
    for what, (left, right) in pairs.items():
        if right is not None:
            yield Fact(what, MANIFEST, left, CONFIG, right)


def _of_parts(
    manifest: Manifest, buffers: BufferConfig, visual: ModuleConfig | None, rope: ModuleConfig | None
) -> Iterator[Fact]:
    """A vision-language model has all of its parts, and a text model none."""
    sees = manifest.visual is not None
    yield Fact("a vision tower", MANIFEST, sees, f"{VISUAL}/{BUFFER_CONFIG}", visual is not None)
    yield Fact("a vision tower", MANIFEST, sees, f"{MANIFEST}, as rope,", rope is not None)
    for die in buffers.dies:
        for program in die.programs.values():
            yield Fact("a vision tower", MANIFEST, sees, f"{BUFFER_CONFIG}, as rope_param,", "rope_param" in program.io)
    orders = [("die_order", manifest.die_order, manifest.dies)]
    if manifest.visual:
        orders.append(("visual.die_order", manifest.visual.die_order, manifest.visual.dies))
    for what, order, dies in orders:
        if order:  # none: each die plays itself
            yield Fact(f"the number of dies in {what}", MANIFEST, len(set(order)), MANIFEST, dies)
            yield Fact(f"the length of {what}", MANIFEST, len(order), MANIFEST, dies)
