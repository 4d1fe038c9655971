"""`tyllm compile`: a checkpoint to a package that runs, ahead of time."""

import time
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tyllm.cli.missing_extra import COMPILE_MODULES, require
from tyllm.cli.print_result import print_result
from tyllm.cli.progress_bar import progress_bar
from tyllm.cli.quantities import byte_size, pluralized
from tyllm.cli.shared_options import Checkpoint, Debug, Json, Overwrite, TrustRemoteCode

if TYPE_CHECKING:
    from rich.console import Console


class Activations(StrEnum):
    """What the inputs of an INT4 linear layer are rounded to."""

    INT8 = "int8"
    FLOAT16 = "float16"


class KvCacheDtype(StrEnum):
    """What keys and values are kept as."""

    FLOAT16 = "float16"
    INT8 = "int8"


class Quantize(StrEnum):
    """Quantization of float weights while compiling."""

    RTN = "rtn"


def whole_numbers(text: str) -> list[int]:
    """The numbers of '1,8'."""
    try:
        return [int(part) for part in text.split(",")]
    except ValueError:
        raise typer.BadParameter(f"{text!r} is not a list of whole numbers such as 1,8.") from None


def parsed_size(text: str) -> tuple[int, int]:
    """Height and width of '540x960'."""
    parts = text.lower().split("x")
    if len(parts) != 2 or not all(part.strip().isdigit() for part in parts):
        raise typer.BadParameter(f"{text!r} is no height and width such as 540x960.")
    return int(parts[0]), int(parts[1])


def compile_(
    checkpoint: Checkpoint,
    output: Annotated[
        Path | None,
        typer.Argument(metavar="OUTPUT", help="The folder to write; CHECKPOINT-AOT/Ndie if left out."),
    ] = None,
    dies: Annotated[int, typer.Option(help="Dies to split the model over: 1, 2, 3, 4 or 8.")] = 1,
    seq_lens: Annotated[
        str | None,
        typer.Option(help="Tokens per step: one for decoding, larger ones for prompts.", show_default="1,8,32,128,256"),
    ] = None,
    max_kv_cache_size: Annotated[int, typer.Option(help="Tokens that a conversation can hold.")] = 4096,
    embedding_as_input: Annotated[
        bool, typer.Option("--embedding-as-input", help="Take embeddings, not tokens; the table is saved apart.")
    ] = False,
    activations: Annotated[Activations, typer.Option(help="Inputs of INT4 linear layers.")] = Activations.INT8,
    kv_cache_dtype: Annotated[
        KvCacheDtype, typer.Option(help="Keys and values; int8 halves the cache.")
    ] = KvCacheDtype.FLOAT16,
    quantize: Annotated[
        Quantize | None, typer.Option(help="Round float weights to INT4 on the way; for a look, AWQ reads better.")
    ] = None,
    group_size: Annotated[int, typer.Option(help="Group size of --quantize.")] = 128,
    image_size: Annotated[
        list[str] | None,
        typer.Option(
            metavar="HxW",
            help="Height and width of images, for models that see; give it again for more.",
            show_default="540x960",
        ),
    ] = None,
    visual_dies: Annotated[
        int | None, typer.Option(help="Dies of the vision tower.", show_default="those of the language model")
    ] = None,
    die_order: Annotated[
        str | None, typer.Option(help="Physical die of each die, the main one first, such as 1,2,3,0.")
    ] = None,
    visual_die_order: Annotated[str | None, typer.Option(help="The same for the vision tower.")] = None,
    target: Annotated[str, typer.Option(help="The machine that will run it; native is this one.")] = "native",
    overwrite: Overwrite = False,
    trust_remote_code: TrustRemoteCode = False,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Compile a checkpoint for one or more dies.

    Example: `tyllm compile Qwen1.5-1.8B-AWQ-INT4 --dies 4 --seq-lens 1,8`

    Example: `tyllm compile Qwen2.5-VL-7B-AWQ-INT4 --dies 4 --visual-dies 3 --image-size 540x960`
    """
    numbers, order, visual_order = (
        None if text is None else whole_numbers(text) for text in (seq_lens, die_order, visual_die_order)
    )
    sizes = [parsed_size(text) for text in image_size or ()]
    require("compile", COMPILE_MODULES)
    from tyllm.build_util import build_and_compile_llm
    from tyllm.package.file_names import VISUAL
    from tyllm.package.folder_bytes import folder_bytes

    started = time.monotonic()
    with progress_bar("compile") as report:
        package = build_and_compile_llm(
            model_path=checkpoint,
            artifacts_path=output,
            max_kv_cache_size=max_kv_cache_size,
            seq_len_list=numbers,
            dev_count=dies,
            embedding_as_input=embedding_as_input,
            activations=activations.value,
            kv_cache_dtype=kv_cache_dtype.value,
            quantize=quantize.value if quantize else None,
            group_size=group_size,
            target=target,
            trust_remote_code=trust_remote_code,
            overwrite=overwrite,
            image_sizes=sizes,
            visual_dies=visual_dies,
            die_order=order,
            visual_die_order=visual_order,
            progress=report,
        )
    total, seconds = folder_bytes(package), round(time.monotonic() - started, 3)

    def draw(console: "Console") -> None:
        console.print(f"{package}: {byte_size(total)} for {pluralized(dies, 'die')}, in {seconds:.1f} s", markup=False)
        prompt = "'What is this?' --image IMAGE" if (package / VISUAL).is_dir() else "'Once upon a time'"
        console.print(f"Run it: tyllm run {package} {prompt}", markup=False)

    print_result({"package": str(package), "dies": dies, "bytes": total, "seconds": seconds}, as_json, draw)
