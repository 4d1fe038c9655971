"""Streaming output: the text of a generation, piece by piece as it comes, and what is told of it at its end."""

import sys
from collections.abc import Callable
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from tyllm.cli.quantities import pluralized
from tyllm.progress_bar import progress_bar

if TYPE_CHECKING:
    from tyllm.runtime import Session
    from tyllm.runtime.generation.request import GenerateOptions
    from tyllm.runtime.generation.result import Result, Timings
    from tyllm.runtime.prompt.prompt import Prompt


def stream_text(
    session: "Session", prompt: "Prompt", options: "GenerateOptions", write: Callable[[str], object]
) -> "Result":
    """Continue a prompt, giving each piece of text to `write` as it comes; the prompt's progress is on stderr.

    What the KV cache already holds of it is not fed again.

    Raises:
        GenerationError: too long a prompt, or an option that cannot work.
    """
    options["reuse"] = True
    generation = session.generate(prompt, stream=True, **options)
    with progress_bar("prompt") as report:
        generation.prefill(report)
    for piece in generation:
        write(piece)
    return generation.result


def print_cut(result: "Result", cache: int, cure: str = "") -> None:
    """One line on stderr where an answer was cut, with the cure; nothing where it ended by itself.

    Args:
        result: what was generated.
        cache: tokens that the KV cache holds.
        cure: what to do at a full cache before a larger one is compiled.
    """
    if result.finish_reason == "length":
        count = pluralized(len(result.token_ids), "token")
        print(f"[The answer was cut after {count}: give more as --max-new-tokens, or leave it out.]", file=sys.stderr)
    elif result.finish_reason == "cache_full":
        print(
            f"[The answer was cut, the KV cache is full with {cache:,} tokens:{cure} compile the model with a larger "
            "--max-kv-cache-size.]",
            file=sys.stderr,
        )


def print_timings(timings: "Timings") -> None:
    """One line on stderr: tokens and speed of the prompt and of the text, and the seconds that images took."""
    images = f"images: {timings.image_seconds:.2f} s; " if timings.image_seconds >= 0.005 else ""
    reused = f" ({timings.cached_tokens} more were in the cache)" if timings.cached_tokens else ""
    print(
        f"[{images}prompt: {timings.prompt_tokens} tokens{reused}, {timings.prompt_tokens_per_second:.1f} tokens/s; "
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
        "notes": result.notes,
        "timings": {name: round(value, 6) for name, value in {**asdict(result.timings), **speeds}.items()},
    }
