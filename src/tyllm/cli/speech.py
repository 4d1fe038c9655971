"""Feed a prompt with progress, then let the text come out piece by piece: what `run` and `chat` share."""

import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from itertools import takewhile
from typing import TYPE_CHECKING, Any

from tyllm.cli.progress import Report, progress

if TYPE_CHECKING:
    from tyllm.runtime import Session
    from tyllm.runtime.request import Options
    from tyllm.runtime.result import Result, Timings

STEPS_PER_PIECE = 16  # of the longest sequence length, between two looks at the progress


def chat_tokens(session: "Session", messages: Sequence[Mapping[str, str]]) -> list[int]:
    """The tokens of a chat, up to where the answer begins."""
    return session.tokenizer.encode(session.chat_template.render(messages), add_special_tokens=False)


def speak(session: "Session", tokens: Sequence[int], options: "Options", write: Callable[[str], object]) -> "Result":
    """Continue `tokens`, giving each piece of text to `write` as it comes.

    What the KV cache already holds of the tokens is not fed again.

    Raises:
        GenerationError: too long a prompt, or an option that cannot work.
    """
    from tyllm.runtime.request import Request

    Request.of(options)  # a wrong value is told before the prompt is fed
    with progress("prompt") as report:
        fed, seconds = prefill(session, tokens, report)
    options["reuse"] = True
    generation = session.generate(tokens, stream=True, **options)
    for piece in generation:
        write(piece)
    timings = generation.result.timings
    timings.prompt_tokens += fed
    timings.reused_tokens -= fed
    timings.prompt_seconds += seconds
    return generation.result


def prefill(session: "Session", tokens: Sequence[int], report: Report) -> tuple[int, float]:
    """Feed the beginning of a long prompt, all but its last piece: how many tokens, in how many seconds."""
    conversation, started = session.conversation(), time.perf_counter()
    pairs = zip(conversation.tokens, tokens[:-1], strict=False)
    kept = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))
    conversation.rewind(kept)
    conversation.check(tokens[kept:])
    piece, fed = STEPS_PER_PIECE * max(session.info.seq_lens), kept
    while len(tokens) - fed > piece:
        conversation.append(tokens[fed : fed + piece])
        fed += piece
        report(fed - kept, len(tokens) - kept, "tokens")
    return fed - kept, time.perf_counter() - started


def print_timings(timings: "Timings") -> None:
    """One line on stderr: tokens and speed of the prompt and of the text."""
    reused = f" ({timings.reused_tokens} more were in the cache)" if timings.reused_tokens else ""
    print(
        f"[prompt: {timings.prompt_tokens} tokens{reused}, {timings.prompt_tokens_per_second:.1f} tokens/s; "
        f"text: {timings.new_tokens} tokens, {timings.decode_tokens_per_second:.1f} tokens/s]",
        file=sys.stderr,
    )


def as_dict(result: "Result") -> dict[str, Any]:
    """A result for JSON."""
    speeds = {
        "prompt_tokens_per_second": result.timings.prompt_tokens_per_second,
        "decode_tokens_per_second": result.timings.decode_tokens_per_second,
    }
    return {
        "text": result.text,
        "token_ids": result.token_ids,
        "finish_reason": result.finish_reason,
        "timings": {name: round(value, 6) for name, value in {**asdict(result.timings), **speeds}.items()},
    }
