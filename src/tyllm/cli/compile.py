"""`tyllm compile`: a checkpoint to a package that runs, ahead of time."""

import time
from pathlib import Path
from typing import TYPE_CHECKING

from tyllm.cli.compile_options import (
    Activations,
    ActivationType,
    BatchSizes,
    DieOrder,
    Dies,
    EmbeddingAsInput,
    GroupSize,
    ImageSizes,
    KvCacheDtype,
    KvCacheType,
    MaxKvCacheSize,
    Output,
    QuantizeOnTheWay,
    SeqLens,
    TargetName,
    VisualDieOrder,
    VisualDies,
    parsed_size,
    whole_numbers,
)
from tyllm.cli.missing_extra import COMPILE_MODULES, require
from tyllm.cli.print_result import print_result
from tyllm.cli.quantities import byte_size, pluralized
from tyllm.cli.shared_options import Checkpoint, Debug, Json, Overwrite, TrustRemoteCode
from tyllm.progress_bar import progress_bar

if TYPE_CHECKING:
    from rich.console import Console


def compile_(
    checkpoint: Checkpoint,
    output: Output = None,
    dies: Dies = 1,
    seq_lens: SeqLens = None,
    batch_sizes: BatchSizes = None,
    max_kv_cache_size: MaxKvCacheSize = 4096,
    embedding_as_input: EmbeddingAsInput = False,
    activations: ActivationType = Activations.INT8,
    kv_cache_dtype: KvCacheType = KvCacheDtype.FLOAT16,
    quantize: QuantizeOnTheWay = None,
    group_size: GroupSize = 128,
    image_size: ImageSizes = None,
    visual_dies: VisualDies = None,
    die_order: DieOrder = None,
    visual_die_order: VisualDieOrder = None,
    target: TargetName = "native",
    overwrite: Overwrite = False,
    trust_remote_code: TrustRemoteCode = False,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Compile a checkpoint for one or more dies.

    Example: `tyllm compile Qwen1.5-1.8B-AWQ-INT4 --dies 4 --seq-lens 1,8`

    Example: `tyllm compile Qwen2.5-VL-7B-AWQ-INT4 --dies 4 --visual-dies 3 --image-size 540x960`
    """
    numbers, sizes, order, visual_order = map(whole_numbers, (seq_lens, batch_sizes, die_order, visual_die_order))
    image_sizes = [parsed_size(text) for text in image_size or ()]
    require("compile", COMPILE_MODULES)
    from tyllm.build_util import build_and_compile_llm

    started = time.monotonic()
    with progress_bar("compile") as progress:
        package = build_and_compile_llm(
            model_path=checkpoint,
            artifacts_path=output,
            max_kv_cache_size=max_kv_cache_size,
            seq_len_list=numbers,
            dev_count=dies,
            batch_sizes=sizes,
            embedding_as_input=embedding_as_input,
            activations=activations.value,
            kv_cache_dtype=kv_cache_dtype.value,
            quantize=quantize.value if quantize else None,
            group_size=group_size,
            target=target,
            trust_remote_code=trust_remote_code,
            overwrite=overwrite,
            image_sizes=image_sizes,
            visual_dies=visual_dies,
            die_order=order,
            visual_die_order=visual_order,
            progress=progress,
        )
    _print_package(package, dies, round(time.monotonic() - started, 3), as_json)


def _print_package(package: Path, dies: int, seconds: float, as_json: bool) -> None:
    """Print where the package is, its size, and the command that runs it."""
    from tyllm.package.file_names import VISUAL
    from tyllm.package.folder_bytes import folder_bytes

    total = folder_bytes(package)

    def draw(console: "Console") -> None:
        console.print(f"{package}: {byte_size(total)} for {pluralized(dies, 'die')}, in {seconds:.1f} s", markup=False)
        prompt = "'What is this?' --image IMAGE" if (package / VISUAL).is_dir() else "'Once upon a time'"
        console.print(f"Run it: tyllm run {package} {prompt}", markup=False)

    print_result({"package": str(package), "dies": dies, "bytes": total, "seconds": seconds}, as_json, draw)
