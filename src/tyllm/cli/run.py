"""`tyllm run`: one prompt to a package, the text to stdout as it comes, timings to stderr."""

from pathlib import Path
from typing import Annotated

import typer

from tyllm.cli.options import Debug, Json, Package, Threads


def run(
    package: Package,
    prompt: Annotated[str | None, typer.Argument(metavar="PROMPT", help="The prompt; stdin if left out.")] = None,
    file: Annotated[Path | None, typer.Option("--file", metavar="FILE", help="Read the prompt from a file.")] = None,
    chat: Annotated[bool, typer.Option("--chat", help="Put the prompt into the chat template.")] = False,
    system: Annotated[str | None, typer.Option(help="The system message, with --chat.")] = None,
    max_new_tokens: Annotated[int, typer.Option(help="Tokens to write at most.")] = 256,
    temperature: Annotated[float, typer.Option(help="0 takes the likeliest token each time.")] = 0.0,
    top_k: Annotated[int, typer.Option(help="Sample from that many tokens; 0 for all.")] = 0,
    top_p: Annotated[float, typer.Option(help="Sample from the likeliest tokens that hold this probability.")] = 1.0,
    min_p: Annotated[float, typer.Option(help="Leave out tokens below this share of the likeliest.")] = 0.0,
    repetition_penalty: Annotated[float, typer.Option(help="Above 1 repeats less.")] = 1.0,
    seed: Annotated[int | None, typer.Option(help="The same seed samples the same text.")] = None,
    stop: Annotated[list[str] | None, typer.Option(help="End at this text; may be given several times.")] = None,
    threads: Threads = None,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Continue a prompt, given as an argument, in a file or on stdin.

    Example: `tyllm run PACKAGE "Once upon a time" --max-new-tokens 64 --temperature 0.7 --seed 1`
    """
    raise NotImplementedError
