"""Log-likelihood of the end of a text, given its beginning, which the KV cache keeps for the next question."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tyllm.evaluate.token_scores import Distributions
from tyllm.runtime import Session
from tyllm_base.errors import GenerationError


def continuation_likelihood(
    session: Session, context: Sequence[int], continuation: Sequence[int]
) -> tuple[float, bool]:
    """Log-probability of `continuation` after `context`, in nats, and whether greedy decoding would write it.

    Of a context that does not fit into the cache beside the continuation only the end is read.

    Raises:
        GenerationError: no context, no continuation, or one that is longer than the cache.
    """
    conversation = session.conversation()
    if not context or not continuation or len(continuation) > conversation.limit:
        raise GenerationError(
            f"{len(continuation)} tokens after {len(context)} cannot be scored; "
            f"give a context, and from 1 to {conversation.limit} tokens after it."
        )
    fed = [*context, *continuation][-conversation.limit - 1 : -1]  # nothing is asked after the last one
    first = len(fed) - len(continuation)
    total, greedy, done = 0.0, True, 0
    for logits in conversation.every_logits(fed[first:], after=fed[:first]):
        found, came = Distributions.from_logits(logits), np.array(continuation[done : done + len(logits)])
        total -= float(found.surprise(came).sum())
        greedy = greedy and bool((found.likeliest() == came).all())
        done += len(logits)
    return total, greedy
