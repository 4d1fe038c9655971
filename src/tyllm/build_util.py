"""The compiler's doors for Python, with the arguments that the original manual names."""

from __future__ import annotations

import gc
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TypedDict, TypeVar, Unpack

from tyllm_base.doors import Door, callers
from tyllm_base.errors import CheckpointError, OutputError, SettingError
from tyllm_base.progress import Progress
from tyllm_base.user_path import user_path

T = TypeVar("T")


class CompileOptions(TypedDict, total=False):
    """Options that both doors take by keyword.

    Attributes:
        batch_sizes: sequences that a step may take a token of each of, to compile programs for; None for the default
            one of 16, () for none. A step of fewer is quicker.
        activations: "int8" (the default) quantizes what enters INT4 layers, by groups; "float16" does not.
        kv_cache_dtype: "float16" (the default) keeps keys and values so; "int8" rounds each head's, with a scale for
            each token, and halves the cache.
        quantize: "rtn" rounds the linear layers of a float checkpoint to INT4 now (a vision tower stays float16); None
            (the default) keeps them float16.
        group_size: inputs that share a scale, for `quantize`; 128.
        target: instruction set to compile for; "native" (the default) is this machine's.
        trust_remote_code: run modeling code that lies in the checkpoint.
        overwrite: replace a package that is already there.
        progress: called as `progress(done, total, what)`.
        die_order: for each die the physical die that plays it, the main one first (the manual's LM_die_remap); None for
            0, 1, 2, … It takes effect where threads are bound to cores.
        visual_dies: dies that the vision tower is split over; None for as many as the language model.
        visual_die_order: the order of those (the manual's VM_die_remap).
    """

    batch_sizes: Sequence[int] | None
    activations: str
    kv_cache_dtype: str
    quantize: str | None
    group_size: int
    target: str
    trust_remote_code: bool
    overwrite: bool
    progress: Progress | None
    die_order: Sequence[int] | None
    visual_dies: int | None
    visual_die_order: Sequence[int] | None


class ImageCompileOptions(CompileOptions, total=False):
    """`CompileOptions`, and `image_sizes`: the sizes (height, width) in pixels of a vision-language model's images."""

    image_sizes: Sequence[tuple[int, int]]


@Door(CheckpointError)
def check_model(model_path: str | Path, trust_remote_code: bool = False) -> str:
    """Ask whether `build_and_compile_llm` takes a model, in seconds and from its config.json alone.

    Not told are an operator without a kernel, and what the weights and the settings of a compile add.

    Returns:
        The model's class in transformers.

    Raises:
        CheckpointError: there is no config.json, or it is damaged.
        UnsupportedError: the model cannot be compiled, and why.
    """
    from tyllm.llm.support import check_support

    return check_support(user_path(model_path, CheckpointError), trust_remote_code)


@Door(CheckpointError)
def build_and_compile_llm(
    model_path: str | Path,
    artifacts_path: str | Path | None = None,
    max_kv_cache_size: int = 4096,
    seq_len_list: Sequence[int] | None = None,
    dev_count: int = 1,
    embedding_as_input: bool = False,
    **options: Unpack[ImageCompileOptions],
) -> Path:
    """Compile a checkpoint ahead of time for one or more dies.

    Args:
        model_path: Hugging Face checkpoint folder: float16, bfloat16, float32, or INT4 (AWQ GEMM, compressed-tensors).
        artifacts_path: package folder to make; by default `<model_path>-AOT/<dev_count>die`, beside the checkpoint.
        max_kv_cache_size: tokens that a conversation may hold, prompt and answer together; at most as many as the model
            has positions (`max_position_embeddings`).
        seq_len_list: tokens per step to compile programs for; a prompt runs as chunks of these lengths. None for those
            of 1, 8, 32, 128 and 256 that the cache has room for.
        dev_count: dies that the model is split over: 1, 2, 3, 4 or 8.
        embedding_as_input: leave the embedding to the host; its table is saved as embedding.params.
        options: see `ImageCompileOptions`.

    Returns:
        The package folder.

    Raises:
        SettingError: a setting that cannot work (exit code 4).
        CheckpointError: the checkpoint is incomplete, damaged or contradicts itself (3).
        UnsupportedError: the model, its quantization or an operator cannot be compiled (5).
        OutputError: the package folder exists or cannot be written (7).
    """
    _check_options(options, ImageCompileOptions)
    with _no_collection():
        from tyllm.llm.compile_settings import LlmCompileSettings, batch_sizes_of, default_seq_lens
        from tyllm.llm.compiler import compile_checkpoint

    model = user_path(model_path, CheckpointError)
    beside = model.with_name(f"{model.resolve().name}-AOT") / f"{dev_count}die"
    settings = LlmCompileSettings(
        model_path=model,
        artifacts_path=user_path(artifacts_path or beside, OutputError),
        max_kv_cache_size=max_kv_cache_size,
        seq_lens=default_seq_lens(max_kv_cache_size) if seq_len_list is None else _tuple("seq_len_list", seq_len_list),
        batch_sizes=batch_sizes_of(_batch_sizes(options.get("batch_sizes"))),
        dies=dev_count,
        embedding_as_input=embedding_as_input,
        activations=options.get("activations", "int8"),
        kv_cache_dtype=options.get("kv_cache_dtype", "float16"),
        quantize=options.get("quantize"),
        group_size=options.get("group_size", 128),
        target=options.get("target", "native"),
        trust_remote_code=options.get("trust_remote_code", False),
        overwrite=options.get("overwrite", False),
        image_sizes=_tuple("image_sizes", options.get("image_sizes", ())),
        visual_dies=options.get("visual_dies"),
        die_order=_order("die_order", options.get("die_order")),
        visual_die_order=_order("visual_die_order", options.get("visual_die_order")),
    )
    progress = options.get("progress")
    return compile_checkpoint(settings, progress and callers(progress))


@Door(CheckpointError)
def build_and_compile_vlm(
    model_path: str | Path,
    artifacts_path: str | Path | None = None,
    image_sizes: Sequence[tuple[int, int]] = ((540, 960),),
    max_kv_cache_size: int = 4096,
    seq_len_list: Sequence[int] | None = None,
    dev_count: int = 1,
    **options: Unpack[CompileOptions],
) -> Path:
    """Compile a vision-language checkpoint (Qwen2-VL, Qwen2.5-VL): its decoder, its vision tower, its positions.

    Args:
        model_path: as in `build_and_compile_llm`.
        artifacts_path: folder in which the package `<dev_count>die` is made (the manual's AOT_DIR); by default
            `<model_path>-AOT_<width>x<height>_<max_kv_cache_size>`, beside the checkpoint.
        image_sizes: sizes (height, width) in pixels; an image of another size is fitted to the nearest.
        max_kv_cache_size: as in `build_and_compile_llm`; images take room in it.
        seq_len_list: as in `build_and_compile_llm`.
        dev_count: dies of the language model, and of the vision tower unless `visual_dies` says otherwise.
        options: see `CompileOptions`.

    Returns:
        The package folder.

    Raises:
        SettingError, CheckpointError, UnsupportedError, OutputError: as `build_and_compile_llm`.
    """
    _check_options(options, CompileOptions)
    model = user_path(model_path, CheckpointError)
    sizes = _tuple("image_sizes", image_sizes)
    size = "-".join("x".join(map(str, reversed(_tuple("image_sizes", size)))) for size in sizes)
    beside = model.with_name(f"{model.resolve().name}-AOT_{size}_{max_kv_cache_size}")
    folder = user_path(artifacts_path or beside, OutputError)
    sized = ImageCompileOptions(**options, image_sizes=image_sizes)
    return build_and_compile_llm(
        model_path, folder / f"{dev_count}die", max_kv_cache_size, seq_len_list, dev_count, **sized
    )


def _check_options(options: Mapping[str, object], known: type) -> None:
    """Raise `SettingError` for an option that there is not."""
    for name in options.keys() - known.__annotations__.keys():
        raise SettingError(f"There is no option {name!r}; there are {', '.join(known.__annotations__)}.")


def _batch_sizes(given: Sequence[int] | None) -> tuple[int, ...] | None:
    return None if given is None else _tuple("batch_sizes", given)


def _order(name: str, dies: Sequence[int] | None) -> tuple[int, ...] | None:
    return None if dies is None else _tuple(name, dies)


def _tuple(name: str, given: Iterable[T]) -> tuple[T, ...]:
    """`given` as a tuple; raises `SettingError` where it is no list."""
    if isinstance(given, str) or not isinstance(given, Iterable):
        raise SettingError(f"{name} is {given!r}; give a list.")
    return tuple(given)


@contextmanager
def _no_collection() -> Iterator[None]:
    """No garbage collection: importing torch, transformers and TVM makes half a million objects, and all stay."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()
