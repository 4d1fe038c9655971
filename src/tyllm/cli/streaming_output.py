"""Feed a prompt with progress, then let the text come out piece by piece: what `run` and `chat` share."""

import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from tyllm.cli.progress_bar import progress_bar

if TYPE_CHECKING:
    from tyllm.runtime import Session
    from tyllm.runtime.generation.request import Options
    from tyllm.runtime.generation.result import Result, Timings
    from tyllm.runtime.prompt.prompt import Prompt
    from tyllm_progress import Progress

STEPS_PER_PIECE = 16  # of the longest sequence length, between two looks at the progress


@dataclass
class Fed:
    """What was fed before the text begins: tokens and seconds; seconds of images, and what was done with them."""

    tokens: int
    seconds: float
    image_seconds: float
    notes: list[str]

    def add_to(self, result: "Result") -> None:
        """Count it as a part of the prompt, as if the generation had fed it."""
        timings = result.timings
        timings.prompt_tokens += self.tokens
        timings.reused_tokens -= self.tokens
        timings.prompt_seconds += self.seconds
        timings.image_seconds += self.image_seconds
        result.notes = self.notes


def speak(session: "Session", prompt: "Prompt", options: "Options", write: Callable[[str], object]) -> "Result":
    """Continue a prompt, giving each piece of text to `write` as it comes.

    What the KV cache already holds of it is not fed again.

    Raises:
        GenerationError: too long a prompt, or an option that cannot work.
    """
    from tyllm.runtime.generation.request import Request

    Request.of(options)  # a wrong value is told before the prompt is fed
    with progress_bar("prompt") as report:
        fed = prefill(session, prompt, report)
    options["reuse"] = True
    generation = session.generate(prompt, stream=True, **options)
    for piece in generation:
        write(piece)
    fed.add_to(generation.result)
    return generation.result


def prefill(session: "Session", prompt: "Prompt", report: "Progress") -> Fed:
    """Compute a prompt's images, and feed the beginning of a long one, all but its last piece."""
    conversation = session.conversation()
    kept = conversation.common(prompt[:-1])
    conversation.rewind(kept)
    rest = prompt[kept:]
    conversation.check(rest)
    image_seconds, started = rest.look(report), time.perf_counter()
    piece, fed = STEPS_PER_PIECE * max(session.info.seq_lens), 0
    while len(rest) - fed > piece:
        conversation.append(rest[fed : fed + piece])
        fed += piece
        report(fed, len(rest), "tokens")
    return Fed(fed, time.perf_counter() - started, image_seconds, rest.notes)


def print_timings(timings: "Timings") -> None:
    """One line on stderr: tokens and speed of the prompt and of the text, and the seconds that images took."""
    images = f"images: {timings.image_seconds:.2f} s; " if timings.image_seconds >= 0.005 else ""
    reused = f" ({timings.reused_tokens} more were in the cache)" if timings.reused_tokens else ""
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
