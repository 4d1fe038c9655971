"""`tyllm run`: one prompt to a package, the text to stdout as it comes, timings to stderr."""

import sys
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tyllm.cli.demanded_signer import demanded_signer
from tyllm.cli.generation_options import generation_options
from tyllm.cli.open_session import open_session
from tyllm.cli.shared_options import (
    Debug,
    Demanded,
    Fit,
    Fps,
    Greedy,
    ImageFit,
    Issuer,
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
from tyllm.cli.streaming_output import as_dict, print_cut, print_timings, stream_text
from tyllm_base.printable import json_text, model_text, one_line

if TYPE_CHECKING:
    from tyllm.runtime import Session
    from tyllm.runtime.prompt.prompt import Prompt

LONGEST_PROMPT = 1 << 24  # characters; the longest contexts hold about as many


def run(
    package: Package,
    prompt: Annotated[str | None, typer.Argument(metavar="PROMPT", help="The prompt; stdin if left out.")] = None,
    file: Annotated[
        Path | None, typer.Option(metavar="FILE", exists=True, dir_okay=False, help="Read the prompt from a file.")
    ] = None,
    chat: Annotated[bool, typer.Option("--chat", help="Put the prompt into the chat template.")] = False,
    system: System = None,
    image: Annotated[
        list[Path] | None, typer.Option(metavar="FILE", help="An image; may be given several times.")
    ] = None,
    video: Annotated[
        list[Path] | None,
        typer.Option(metavar="PATH", help="A folder of frames, or a GIF, WebP, PNG or TIFF with several."),
    ] = None,
    fps: Fps = None,
    image_fit: Fit = ImageFit.PAD,
    max_new_tokens: MaxNewTokens = None,
    greedy: Greedy = False,
    temperature: Temperature = None,
    top_k: TopK = None,
    top_p: TopP = None,
    min_p: MinP = None,
    repetition_penalty: RepetitionPenalty = None,
    seed: Seed = None,
    stop: Stop = None,
    threads: Threads = None,
    signer: Demanded = None,
    issuer: Issuer = None,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Continue a prompt, given as an argument, in a file or on stdin.

    Images go where the prompt has <|vision_start|><|image_pad|><|vision_end|>; without that, before it in a chat.

    Example: `tyllm run PACKAGE "Once upon a time" --max-new-tokens 64 --temperature 0.7 --seed 1`

    Example: `tyllm run PACKAGE "What is in this picture?" --image cat.jpg`
    """
    arguments = PromptArguments(
        prompt_text(prompt, file), system, tuple(image or ()), tuple(video or ()), fps, image_fit, chat
    )
    if system is not None and not (chat or image or video):
        raise typer.BadParameter("it goes into the chat template: add --chat", param_hint="'--system'")
    options = generation_options(
        greedy, stop, temperature, max_new_tokens=max_new_tokens, top_k=top_k, top_p=top_p, min_p=min_p,
        repetition_penalty=repetition_penalty, seed=seed,
    )  # fmt: skip
    with open_session(package, threads, demanded_signer(signer, issuer)) as session:
        result = stream_text(session, arguments.prompt(session), options, (lambda piece: None) if as_json else _write)
    if as_json:
        print(json_text(as_dict(result), indent=2))
        return
    print()
    for note in result.notes:
        print(one_line(note), file=sys.stderr)
    print_cut(result, session.info.max_kv_cache_size)
    print_timings(result.timings)


@dataclass(frozen=True)
class PromptArguments:
    """The arguments that make the prompt."""

    text: str
    system: str | None
    images: tuple[Path, ...]
    videos: tuple[Path, ...]
    fps: float | None
    fit: ImageFit
    chat: bool

    def prompt(self, session: "Session") -> "Prompt":
        """The text by itself or in the chat template; images in their places, or before it."""
        videos = [{"video": path, "fps": self.fps} for path in self.videos]
        if not (self.images or videos) or session.prompt_builder.has_placeholders(self.text):
            if not self.chat and self.system is None:
                return session.prompt_builder.of(self.text, self.images, videos, self.fit.value)
            messages = self._messages(self.text)
            return session.prompt_builder.of_chat(messages, images=self.images, videos=videos, fit=self.fit.value)
        parts: list[dict[str, Any]] = [{"type": "image", "image": path} for path in self.images]
        parts += [{"type": "video", **video} for video in videos]
        messages = self._messages([*parts, {"type": "text", "text": self.text}])
        return session.prompt_builder.of_chat(messages, fit=self.fit.value)

    def _messages(self, content: str | list[dict[str, Any]]) -> list[dict[str, Any]]:
        system = [] if self.system is None else [{"role": "system", "content": self.system}]
        return [*system, {"role": "user", "content": content}]


def prompt_text(prompt: str | None, file: Path | None) -> str:
    """The prompt of the argument, the file, or stdin.

    Raises:
        typer.BadParameter: none is given, or two; it is no UTF-8, or does not end.
    """
    if prompt is not None and file is not None:
        raise typer.BadParameter("there is a prompt as an argument too; give one of them", param_hint="'--file'")
    if prompt is not None:
        return prompt
    if file is None and sys.stdin.isatty():
        raise typer.BadParameter("give it as an argument, in a --file or on stdin", param_hint="'PROMPT'")
    try:
        with nullcontext(sys.stdin) if file is None else file.open(encoding="utf-8") as stream:
            text = stream.read(LONGEST_PROMPT + 1)
    except UnicodeDecodeError as error:
        raise typer.BadParameter(f"the prompt is not UTF-8 text ({error.reason})") from error
    if len(text) > LONGEST_PROMPT:
        raise typer.BadParameter(f"the prompt is longer than the {LONGEST_PROMPT:,} characters that are read")
    return text


def _write(piece: str) -> None:
    print(model_text(piece, sys.stdout), end="", flush=True)
