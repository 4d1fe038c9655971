"""Options and arguments that several commands share, each with one meaning and one help text."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON on stdout, and nothing else there.")]
Debug = Annotated[bool, typer.Option("--debug", help="Print the traceback when something fails.")]
Package = Annotated[Path, typer.Argument(metavar="PACKAGE", help="A folder that `tyllm compile` wrote.")]
Checkpoint = Annotated[Path, typer.Argument(metavar="CHECKPOINT", help="A Hugging Face model folder.")]
Threads = Annotated[int | None, typer.Option("--threads", help="Worker threads of all dies together.")]
TrustRemoteCode = Annotated[
    bool, typer.Option("--trust-remote-code", help="Run Python code that lies in the checkpoint. Read it first.")
]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace the output folder if it exists.")]

Demanded = Annotated[
    str | None,
    typer.Option(
        "--signer",
        metavar="FILE|IDENTITY",
        help="Refuse a package that this one did not sign: a public key or root certificate (PEM); with --issuer an "
        "identity such as an e-mail address.",
    ),
]
Issuer = Annotated[
    str | None,
    typer.Option("--issuer", metavar="URL", help="The OpenID Connect provider of --signer's identity (Sigstore)."),
]


class ImageFit(StrEnum):
    """Treatment of an image whose shape is not that of a compiled size."""

    PAD = "pad"
    RESIZE = "resize"


Fit = Annotated[ImageFit, typer.Option("--image-fit", help="Pad an image to the compiled size's shape, or stretch it.")]
Fps = Annotated[
    float | None,
    typer.Option(help="Frames of a second: those to take of a file; of a folder's frames, their own number."),
]
System = Annotated[str | None, typer.Option("--system", help="The system message of the chat.")]
MaxNewTokens = Annotated[
    int | None, typer.Option(help="Tokens to write at most. Default: until the text ends or the cache is full.")
]
Greedy = Annotated[bool, typer.Option("--greedy", help="Take the likeliest token each time, as with --temperature 0.")]
Temperature = Annotated[
    float | None, typer.Option(help="0 takes the likeliest token each time. Default: what generation_config.json says.")
]
TopK = Annotated[int | None, typer.Option(help="Sample from that many likeliest tokens; 0 for all.")]
TopP = Annotated[float | None, typer.Option(help="Sample from the likeliest tokens that hold this probability.")]
MinP = Annotated[float | None, typer.Option(help="Leave out tokens below this share of the likeliest's probability.")]
RepetitionPenalty = Annotated[float | None, typer.Option(help="Above 1 repeats less.")]
Seed = Annotated[int | None, typer.Option(help="The same seed samples the same text.")]
Stop = Annotated[list[str] | None, typer.Option(help="End the text before this string; may be given several times.")]
