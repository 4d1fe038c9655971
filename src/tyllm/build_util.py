"""The compiler's door for Python: `build_and_compile_llm`, with the arguments that the original manual names."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path


def build_and_compile_llm(
    model_path: str | Path,
    artifacts_path: str | Path | None = None,
    max_kv_cache_size: int = 4096,
    seq_len_list: Sequence[int] | None = None,
    dev_count: int = 1,
    embedding_as_input: bool = False,
    *,
    activations: str = "int8",
    kv_cache_dtype: str = "float16",
    quantize: str | None = None,
    group_size: int = 128,
    target: str = "native",
    trust_remote_code: bool = False,
    overwrite: bool = False,
    progress: Callable[[int, int, str], None] | None = None,
) -> Path:
    """Compile a checkpoint ahead of time for one or more dies.

    Args:
        model_path: Hugging Face checkpoint folder: float16, bfloat16, float32, or AWQ INT4 (GEMM).
        artifacts_path: package folder to make; by default `<model_path>-AOT/<dev_count>die`, beside the checkpoint.
        max_kv_cache_size: tokens that a conversation may hold, prompt and answer together.
        seq_len_list: tokens per step to compile programs for; a prompt runs as chunks of these lengths. None for those
            of 1, 8, 32, 128 and 256 that the cache has room for.
        dev_count: dies that the model is split over: 1, 2, 3, 4 or 8.
        embedding_as_input: leave the embedding to the host; its table is saved as embedding.params.
        activations: "int8" quantises what enters INT4 layers, by groups; "float16" does not.
        kv_cache_dtype: "float16" keeps keys and values so; "int8" rounds each head's, with a scale for each token, and
            halves the cache.
        quantize: "rtn" rounds the linear layers of a float checkpoint to INT4 now; None keeps them float16.
        group_size: inputs that share a scale, for `quantize`.
        target: instruction set to compile for; "native" is this machine's.
        trust_remote_code: run modelling code that lies in the checkpoint.
        overwrite: replace a package that is already at `artifacts_path`.
        progress: called as `progress(done, total, what)`.

    Returns:
        The package folder.

    Raises:
        SettingError: a setting that cannot work (exit code 4).
        CheckpointError: the checkpoint is incomplete, damaged or contradicts itself (3).
        UnsupportedError: the model, its quantisation or an operator cannot be compiled (5).
        OutputError: the package folder exists or cannot be written (7).
    """
    with _no_collection():
        from tyllm.compiler.compiler import compile_checkpoint
        from tyllm.compiler.settings import Settings, default_seq_lens

    model = Path(model_path)
    seq_lens = default_seq_lens(max_kv_cache_size) if seq_len_list is None else tuple(seq_len_list)
    beside = model.with_name(f"{model.resolve().name}-AOT") / f"{dev_count}die"
    settings = Settings(
        model, Path(artifacts_path or beside), max_kv_cache_size, seq_lens, dev_count, embedding_as_input,
        activations, kv_cache_dtype, quantize, group_size, target, trust_remote_code, overwrite,
    )  # fmt: skip
    return compile_checkpoint(settings, progress)


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
