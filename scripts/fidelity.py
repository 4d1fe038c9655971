"""How well a package predicts a text, and how close it stays to another package of the same model."""

import math
import time
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from tyllm.cli.progress import Report
from tyllm.runtime import Session

WINDOW = 512  # tokens predicted together; the first of a window is not predicted


@dataclass(frozen=True)
class Predictions:
    """What a package predicts for a text.

    Attributes:
        log_probs: natural logarithms of the next token's probabilities, float32 [predicted tokens, V].
        next_tokens: the tokens that did come, int64 [predicted tokens].
        tokens_per_second: speed of the decoding that gave them.
    """

    log_probs: npt.NDArray[np.float32]
    next_tokens: npt.NDArray[Any]
    tokens_per_second: float

    @property
    def perplexity(self) -> float:
        """Exp of the mean negative log-likelihood of a token."""
        return math.exp(-float(np.take_along_axis(self.log_probs, self.next_tokens[:, None], 1).mean(dtype=np.float64)))

    def divergence_from(self, other: "Predictions") -> float:
        """Mean Kullback-Leibler divergence from `other`, nats a token: sum of p · (log p - log q), p the other's."""
        return float((np.exp(other.log_probs) * (other.log_probs - self.log_probs)).sum(1).mean(dtype=np.float64))

    def agreement_with(self, other: "Predictions") -> float:
        """Share of the tokens for which both find the same token the likeliest."""
        return float((self.log_probs.argmax(1) == other.log_probs.argmax(1)).mean())


def predict(session: Session, tokens: list[int], report: Report) -> Predictions:
    """Predict every token of `tokens` but the first of each window, decoding one at a time."""
    conversation, logits = session.conversation(), []
    windows = [tokens[start : start + WINDOW] for start in range(0, len(tokens), WINDOW)]
    started = time.perf_counter()
    for index, window in enumerate(windows):
        conversation.reset()
        logits += [conversation.append([token]) for token in window[:-1]]
        report(index + 1, len(windows), "windows")
    rate = len(logits) / (time.perf_counter() - started)
    return Predictions(log_softmax(np.stack(logits)), np.concatenate([window[1:] for window in windows]), rate)


def log_softmax(logits: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Logarithms of the probabilities that logits [n, V] stand for."""
    shifted = logits - logits.max(1, keepdims=True)
    result: npt.NDArray[np.float32] = shifted - np.log(np.exp(shifted).sum(1, keepdims=True))
    return result
