"""Log-probabilities of tokens from logits, in float64."""

from __future__ import annotations

import numpy as np

from tyllm.runtime.generation.result import TokenLogprob
from tyllm.runtime.step.model_runner import Logits


def log_sum_exp(logits: Logits) -> float:
    """The logarithm of the sum of exponentials of float32 [V]."""
    top = float(logits.max())
    return top + float(np.log(np.exp(logits.astype(np.float64) - top).sum()))


def token_logprob(logits: Logits, token: int, count: int) -> TokenLogprob:
    """The log-probability of a token and the `count` likeliest tokens, by logits float32 [V]."""
    logprobs = logits.astype(np.float64) - log_sum_exp(logits)
    likeliest = np.argsort(-logprobs, kind="stable")[:count]
    top = tuple((int(other), float(logprobs[other])) for other in likeliest)
    return TokenLogprob(token, float(logprobs[token]), top)
