"""What a step brought to a sequence."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tyllm.runtime.generation.result import Result, TokenLogprob


@dataclass(frozen=True, slots=True)
class SequenceUpdate:
    """New text of one sequence, or its end.

    Attributes:
        request_id: whose it is.
        index: which of the request's texts.
        result: grows with the sequence, in the engine's thread; no more once the update says that it is finished.
        text: that is new.
        token_ids: that are new.
        logprobs: theirs, where they were asked for.
        finished: whether it is the last update of the sequence.
        error: why it ended, where its finish_reason is "error": one of ours, or what a function of the caller's raised.
        prompt_logprobs: with the first token, where they were asked for.
    """

    request_id: str
    index: int
    result: Result
    text: str = ""
    token_ids: Sequence[int] = ()
    logprobs: Sequence[TokenLogprob] = ()
    finished: bool = False
    error: Exception | None = None
    prompt_logprobs: list[TokenLogprob] | None = None
