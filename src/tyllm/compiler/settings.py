"""The settings of a compile, checked before any work is done."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tyllm.errors import SettingError
from tyllm.package.buffer_config import KEY_TILE

DIES = (1, 2, 3, 4, 8)
ACTIVATIONS = ("int8", "float16")
KV_CACHE_DTYPES = ("float16", "int8")
QUANTISERS = (None, "rtn")
SEQ_LENS = (1, 8, 32, 128, 256)
"""Sequence lengths where none are asked for; docs/log.md has the speed of each."""


@dataclass(frozen=True)
class Settings:
    """What the user asked for; see `tyllm.build_util.build_and_compile_llm` for each."""

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


def check(settings: Settings) -> None:
    """Refuse what cannot work, whatever the model.

    Raises:
        SettingError: one sentence with the value and the cure.
    """
    _whole_number("max_kv_cache_size", settings.max_kv_cache_size)
    _check_seq_lens(settings.seq_lens, settings.max_kv_cache_size)
    _one_of("dev_count (--dies)", settings.dies, DIES)
    _one_of("activations", settings.activations, ACTIVATIONS)
    _one_of("kv_cache_dtype", settings.kv_cache_dtype, KV_CACHE_DTYPES)
    _one_of("quantize", settings.quantize, QUANTISERS)
    if settings.quantize and (settings.group_size % 32 or not 32 <= settings.group_size <= 1024):
        raise SettingError(f"group_size is {settings.group_size}; give a multiple of 32, such as 128.")


def _whole_number(name: str, value: Any) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise SettingError(f"{name} is {value!r}; give a whole number of at least 1.")


def _check_seq_lens(seq_lens: Sequence[Any], max_kv_cache_size: int) -> None:
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


def _one_of(name: str, value: Any, known: Sequence[Any]) -> None:
    if value not in known:
        raise SettingError(f"{name} is {value!r}; use one of {', '.join(str(k) for k in known)}.")
