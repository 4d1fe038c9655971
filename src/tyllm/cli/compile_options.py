"""The options of `tyllm compile`, and the numbers and sizes that are written in them."""

import re
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer


class Activations(StrEnum):
    """Type that the inputs of an INT4 linear layer are rounded to."""

    INT8 = "int8"
    FLOAT16 = "float16"


class KvCacheDtype(StrEnum):
    """Type of the cached keys and values."""

    FLOAT16 = "float16"
    INT8 = "int8"


class Quantize(StrEnum):
    """Quantization of float weights while compiling."""

    RTN = "rtn"


def whole_numbers(text: str | None) -> list[int] | None:
    """The numbers of '1,8'; None for None. Raises `BadParameter`."""
    if text is None:
        return None
    try:
        return [int(part) for part in text.split(",")]
    except ValueError:
        raise typer.BadParameter(f"{text!r} is not a list of whole numbers such as 1,8.") from None


def parsed_size(text: str) -> tuple[int, int]:
    """Height and width in pixels of '540x960'; raises `BadParameter`."""
    found = re.fullmatch(r"\s*([0-9]{1,9})\s*x\s*([0-9]{1,9})\s*", text, re.IGNORECASE)
    if not found:
        raise typer.BadParameter(f"{text!r:.60} is no height and width such as 540x960.")
    return int(found[1]), int(found[2])


Output = Annotated[
    Path | None, typer.Argument(metavar="OUTPUT", help="The folder to write; CHECKPOINT-AOT/Ndie if left out.")
]
Dies = Annotated[int, typer.Option(help="Dies to split the model over: 1, 2, 3, 4 or 8.")]
SeqLens = Annotated[
    str | None,
    typer.Option(help="Tokens per step: one for decoding, larger ones for prompts.", show_default="1,8,32,128,256"),
]
BatchSizes = Annotated[
    str | None,
    typer.Option(
        help="Sequences per step, a token of each, for many users at once and for drafts; 1: none.", show_default="16"
    ),
]
MaxKvCacheSize = Annotated[int, typer.Option(help="Tokens that a conversation can hold.")]
EmbeddingAsInput = Annotated[
    bool, typer.Option("--embedding-as-input", help="Take embeddings, not tokens; the table is saved apart.")
]
ActivationType = Annotated[Activations, typer.Option(help="Inputs of INT4 linear layers.")]
KvCacheType = Annotated[KvCacheDtype, typer.Option(help="Keys and values; int8 halves the cache.")]
QuantizeOnTheWay = Annotated[
    Quantize | None, typer.Option(help="Round float weights to INT4 on the way; for a look, AWQ reads better.")
]
GroupSize = Annotated[int, typer.Option(help="Group size of --quantize.")]
ImageSizes = Annotated[
    list[str] | None,
    typer.Option(
        metavar="HxW",
        help="Height and width of images, for vision-language models; give it again for more.",
        show_default="540x960",
    ),
]
VisualDies = Annotated[
    int | None, typer.Option(help="Dies of the vision tower.", show_default="those of the language model")
]
DieOrder = Annotated[str | None, typer.Option(help="Physical die of each die, the main one first, such as 1,2,3,0.")]
VisualDieOrder = Annotated[str | None, typer.Option(help="The same for the vision tower.")]
TargetName = Annotated[str, typer.Option(help="The machine that will run it; native is this one.")]
