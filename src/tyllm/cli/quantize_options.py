"""The options of `tyllm quantize`, by what they decide."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from tyllm.cli.layer_error_report import check_suffix

STORED, SEARCHED, AFTER = "What is stored", "How it is found", "What is told afterwards"


class Method(StrEnum):
    """The algorithm that turns weights into codes."""

    TYLLM = "tyllm"
    AWQ = "awq"
    RTN = "rtn"


class Bits(StrEnum):
    """Bits of a code."""

    FOUR = "4"
    EIGHT = "8"


class VisionBits(StrEnum):
    """Bits of a weight of the vision tower."""

    FLOAT = "16"
    EIGHT = "8"


class Format(StrEnum):
    """The format of the quantized checkpoint."""

    AWQ = "awq"
    COMPRESSED_TENSORS = "compressed-tensors"


class Part(StrEnum):
    """Parts of a method that can be left out."""

    SCALE = "scale"
    RANGE = "range"
    ROUNDING = "rounding"
    PROPAGATION = "propagation"


Output = Annotated[
    Path | None, typer.Argument(metavar="OUTPUT", help="The folder to write; CHECKPOINT-AWQ-INT4 if left out.")
]
WeightBits = Annotated[
    Bits, typer.Option("--bits", help="Of a weight; 8 needs --format compressed-tensors.", rich_help_panel=STORED)
]
VisionWeightBits = Annotated[
    VisionBits,
    typer.Option(
        "--vision-bits",
        help="Of a weight of the vision tower: 16 is float16, 8 needs --format compressed-tensors.",
        rich_help_panel=STORED,
    ),
]
GroupSize = Annotated[
    int, typer.Option(help="Inputs that share a scale: 32, 64, 128, -1 for whole rows.", rich_help_panel=STORED)
]
Symmetric = Annotated[bool, typer.Option("--symmetric", help="Without zero points.", rich_help_panel=STORED)]
FileFormat = Annotated[Format, typer.Option("--format", help="awq is AutoAWQ's GEMM.", rich_help_panel=STORED)]
LmHead = Annotated[
    bool, typer.Option("--lm-head/--no-lm-head", help="Quantize the output projection too.", rich_help_panel=STORED)
]
Exclude = Annotated[
    list[str] | None,
    typer.Option(
        metavar="NAME",
        help="Leave linear layers float16 whose names contain this; may be given several times.",
        rich_help_panel=STORED,
    ),
]
BitsPerWeight = Annotated[
    float | None,
    typer.Option(
        help="A budget, scales included, such as 4.5: the most sensitive layers stay at 8 bits (compressed-tensors) "
        "or float16 (awq).",
        rich_help_panel=STORED,
    ),
]
Search = Annotated[
    Method,
    typer.Option(
        "--method",
        help="tyllm is the best; awq is AutoAWQ's algorithm; rtn rounds to nearest and reads no text.",
        rich_help_panel=SEARCHED,
    ),
]
Without = Annotated[
    list[Part] | None,
    typer.Option(
        help="Leave out this part of the method, to see its worth; may be given several times.",
        rich_help_panel=SEARCHED,
    ),
]
MaxSamples = Annotated[
    int | None,
    typer.Option(min=1, help="Calibration samples; 16 on a CPU, 128 on a GPU if left out.", rich_help_panel=SEARCHED),
]
MaxLength = Annotated[
    int | None, typer.Option(min=1, help="Tokens of a sample; 512 if left out.", rich_help_panel=SEARCHED)
]
Evaluate = Annotated[
    bool, typer.Option("--eval/--no-eval", help="Compare the result with the original.", rich_help_panel=AFTER)
]
EvalTokens = Annotated[int, typer.Option(min=2, help="Tokens of held-out text for that.", rich_help_panel=AFTER)]
ReportFile = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        callback=check_suffix,
        help="Write each layer's error as a table or an image: a .json, .md or .svg file.",
        rich_help_panel=AFTER,
    ),
]
