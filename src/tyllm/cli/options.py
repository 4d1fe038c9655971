"""Options and arguments that several commands share, each with one meaning and one help text."""

from pathlib import Path
from typing import Annotated

import typer

Json = Annotated[bool, typer.Option("--json", help="Print the result as one JSON document on stdout.")]
Debug = Annotated[bool, typer.Option("--debug", help="Print the traceback when something fails.")]
Package = Annotated[Path, typer.Argument(metavar="PACKAGE", help="A folder that `tyllm compile` wrote.")]
Checkpoint = Annotated[Path, typer.Argument(metavar="CHECKPOINT", help="A Hugging Face model folder.")]
Threads = Annotated[int | None, typer.Option("--threads", min=1, help="Worker threads of all dies together.")]
TrustRemoteCode = Annotated[
    bool, typer.Option("--trust-remote-code", help="Run Python code that lies in the checkpoint. Read it first.")
]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace the output folder if it exists.")]
