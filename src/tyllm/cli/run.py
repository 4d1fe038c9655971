"""`tyllm run`: one prompt to a package, the text to stdout as it comes, timings to stderr."""

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tyllm.cli.opening import open_session
from tyllm.cli.options import (
    Debug,
    Json,
    MaxNewTokens,
    MinP,
    Package,
    RepetitionPenalty,
    Seed,
    Stop,
    System,
    Temperature,
    Threads,
    TopK,
    TopP,
)
from tyllm.cli.speech import as_dict, chat_tokens, print_timings, speak

if TYPE_CHECKING:
    from tyllm.runtime.request import Options


def run(
    package: Package,
    prompt: Annotated[str | None, typer.Argument(metavar="PROMPT", help="The prompt; stdin if left out.")] = None,
    file: Annotated[
        Path | None, typer.Option(metavar="FILE", exists=True, dir_okay=False, help="Read the prompt from a file.")
    ] = None,
    chat: Annotated[bool, typer.Option("--chat", help="Put the prompt into the chat template.")] = False,
    system: System = None,
    max_new_tokens: MaxNewTokens = 256,
    temperature: Temperature = 0.0,
    top_k: TopK = 0,
    top_p: TopP = 1.0,
    min_p: MinP = 0.0,
    repetition_penalty: RepetitionPenalty = 1.0,
    seed: Seed = None,
    stop: Stop = None,
    threads: Threads = None,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Continue a prompt, given as an argument, in a file or on stdin.

    Example: `tyllm run PACKAGE "Once upon a time" --max-new-tokens 64 --temperature 0.7 --seed 1`
    """
    text = prompt_text(prompt, file)
    if system is not None and not chat:
        raise typer.BadParameter("it goes into the chat template: add --chat", param_hint="'--system'")
    options: Options = {
        "max_new_tokens": max_new_tokens,
        "temperature": temperature,
        "top_k": top_k,
        "top_p": top_p,
        "min_p": min_p,
        "repetition_penalty": repetition_penalty,
        "seed": seed,
        "stop": tuple(stop or ()),
    }
    with open_session(package, threads) as session:
        messages = [{"role": "system", "content": system}] if system else []
        messages.append({"role": "user", "content": text})
        tokens = chat_tokens(session, messages) if chat else session.tokenizer.encode(text)
        result = speak(session, tokens, options, (lambda piece: None) if as_json else _write)
    if as_json:
        print(json.dumps(as_dict(result), ensure_ascii=False, indent=2))
        return
    print()
    print_timings(result.timings)


def prompt_text(prompt: str | None, file: Path | None) -> str:
    """The prompt of the argument, the file, or stdin; raises `typer.BadParameter` for none, two, or no UTF-8."""
    if prompt is not None and file is not None:
        raise typer.BadParameter("there is a prompt as an argument too; give one of them", param_hint="'--file'")
    if prompt is not None:
        return prompt
    if file is None and sys.stdin.isatty():
        raise typer.BadParameter("give it as an argument, in a --file or on stdin", param_hint="'PROMPT'")
    try:
        return sys.stdin.read() if file is None else file.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise typer.BadParameter(f"the prompt is not UTF-8 text ({error.reason})") from error


def _write(piece: str) -> None:
    print(piece, end="", flush=True)
