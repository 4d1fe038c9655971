"""The settings of a compile, checked before any work is done."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from tyllm.package.buffer_config import KEY_TILE
from tyllm.package.step_shape import StepShape, step_shapes
from tyllm_base.errors import SettingError

if TYPE_CHECKING:
    from transformers import PreTrainedModel

DIES = (1, 2, 3, 4, 8)
ACTIVATIONS = ("int8", "float16")
KV_CACHE_DTYPES = ("float16", "int8")
QUANTIZERS = (None, "rtn")
GROUP_SIZES = range(32, 1025, 32)
DEFAULT_IMAGE_SIZES = ((540, 960),)
"""Height and width of the images that a vision-language model is compiled for where none are asked for."""
SEQ_LENS = (1, 8, 32, 128, 256)
"""Sequence lengths where none are asked for; docs/log/linear_kernels.md has the speed of each."""
BATCH_SIZES = (16,)
"""Batches where none are asked for; docs/log/batches.md has what each costs and brings."""
MOST_SEQUENCES = 256
"""Of a batch."""


@dataclass(frozen=True)
class LlmCompileSettings:
    """The user's choices; see `tyllm.build_util.build_and_compile_llm` for each."""

    model_path: Path
    artifacts_path: Path
    max_kv_cache_size: int
    seq_lens: tuple[int, ...]
    dies: int
    embedding_as_input: bool
    activations: str
    kv_cache_dtype: str
    quantize: str | None
    group_size: int
    target: str
    trust_remote_code: bool
    overwrite: bool
    batch_sizes: tuple[int, ...] = ()
    image_sizes: tuple[tuple[int, int], ...] = ()
    visual_dies: int | None = None
    die_order: tuple[int, ...] | None = None
    visual_die_order: tuple[int, ...] | None = None

    @property
    def shapes(self) -> list[StepShape]:
        """The shapes of step to compile programs for."""
        return step_shapes(self.seq_lens, self.batch_sizes)

    @property
    def tower_dies(self) -> int:
        """Dies of the vision tower: those of the language model unless it was said otherwise."""
        return self.dies if self.visual_dies is None else self.visual_dies

    @property
    def order(self) -> tuple[int, ...]:
        """For each die of the language model the physical one that plays it."""
        return tuple(range(self.dies)) if self.die_order is None else self.die_order

    @property
    def visual_order(self) -> tuple[int, ...]:
        """For each die of the vision tower the physical one that plays it."""
        return tuple(range(self.tower_dies)) if self.visual_die_order is None else self.visual_die_order

    @property
    def asks_for_images(self) -> bool:
        """Whether a setting was given that only vision-language models have."""
        return bool(self.image_sizes) or self.visual_dies is not None or self.visual_die_order is not None

    @property
    def kv_capacity(self) -> int:
        """Rows of a cache, in whole tiles: a padded last chunk writes up to the longest length − 1 past the end."""
        return -(-(self.max_kv_cache_size + max(self.seq_lens) - 1) // KEY_TILE) * KEY_TILE


def default_seq_lens(max_kv_cache_size: int) -> tuple[int, ...]:
    """The lengths that the cache has room for.

    Raises:
        SettingError: the cache's size is no whole number of at least 1.
    """
    _whole_number("max_kv_cache_size", max_kv_cache_size)
    return tuple(length for length in SEQ_LENS if length <= max_kv_cache_size)


def batch_sizes_of(given: Sequence[int] | None) -> tuple[int, ...]:
    """The batches to compile for, of which 1 is there anyway; the default ones where None is given.

    Raises:
        SettingError: a size is no whole number from 1 to `MOST_SEQUENCES`.
    """
    if given is None:
        return BATCH_SIZES
    for size in given:
        _whole_number("A size of batch_sizes (--batch-sizes)", size)
        if size > MOST_SEQUENCES:
            raise SettingError(
                f"A size of batch_sizes (--batch-sizes) is {size}; give at most {MOST_SEQUENCES} sequences."
            )
    return tuple(sorted(set(given) - {1}))


def check_settings(settings: LlmCompileSettings) -> None:
    """Refuse what cannot work, whatever the model.

    Raises:
        SettingError: one sentence with the value and the cure.
    """
    _whole_number("max_kv_cache_size", settings.max_kv_cache_size)
    _check_seq_lens(settings.seq_lens, settings.max_kv_cache_size)
    _one_of("dev_count (--dies)", settings.dies, DIES)
    _whole_number("dev_count (--dies)", settings.dies)
    _one_of("visual_dies (--visual-dies)", settings.tower_dies, DIES)
    _whole_number("visual_dies (--visual-dies)", settings.tower_dies)
    _check_order("die_order (--die-order)", settings.order, settings.dies)
    _check_order("visual_die_order (--visual-die-order)", settings.visual_order, settings.tower_dies)
    _one_of("activations", settings.activations, ACTIVATIONS)
    _one_of("kv_cache_dtype", settings.kv_cache_dtype, KV_CACHE_DTYPES)
    _one_of("quantize", settings.quantize, QUANTIZERS)
    if settings.quantize and settings.group_size not in GROUP_SIZES:
        raise SettingError(f"group_size is {settings.group_size!r}; give a multiple of 32, such as 128.")


def settings_for_model(settings: LlmCompileSettings, model: PreTrainedModel) -> LlmCompileSettings:
    """The settings as a model needs them: one that sees images takes embeddings.

    Raises:
        SettingError: sizes of images or dies of a vision tower for a model that has none.
    """
    from hf_checkpoint.vision_tower import find_tower

    if find_tower(model):
        return replace(settings, embedding_as_input=True)
    if settings.asks_for_images:
        raise SettingError(
            f"{settings.model_path} is a text model ({model.config.model_type}) and sees no images; leave out "
            "image_sizes (--image-size), visual_dies and visual_die_order."
        )
    return settings


def _whole_number(name: str, value: object) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise SettingError(f"{name} is {value!r}; give a whole number of at least 1.")


def _check_seq_lens(seq_lens: Sequence[int], max_kv_cache_size: int) -> None:
    if not seq_lens:
        raise SettingError("seq_len_list (--seq-lens) is empty; give the sequence lengths to compile, such as 1 and 8.")
    for length in seq_lens:
        _whole_number("A length of seq_len_list (--seq-lens)", length)
        if length > max_kv_cache_size:
            raise SettingError(
                f"seq_len_list (--seq-lens) has {length}, which is larger than the cache of {max_kv_cache_size} "
                "tokens; give a shorter one or raise max_kv_cache_size."
            )
    if len(set(seq_lens)) < len(seq_lens):
        raise SettingError(f"seq_len_list (--seq-lens) {list(seq_lens)} names a length twice; give each once.")


def _check_order(name: str, order: Sequence[int], dies: int) -> None:
    """A physical die for each die, none twice."""
    if len(order) != dies:
        raise SettingError(f"{name} {list(order)} has {len(order)} entries for {dies} dies; name one for each.")
    if sorted(set(order)) != sorted(order) or any(die not in range(max(DIES)) for die in order):
        raise SettingError(
            f"{name} is {list(order)}; give each die a physical die of its own, from 0 to {max(DIES) - 1}."
        )


def _one_of(name: str, value: object, known: Sequence[object]) -> None:
    if value not in known:
        raise SettingError(f"{name} is {value!r}; use one of {', '.join(str(k) for k in known)}.")
