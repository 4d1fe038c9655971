"""Picks the next token: greedy, or drawn at random from what temperature, top-k, top-p and min-p leave.

The order is vLLM's up to the temperature (logits processors, penalties, temperature), and then transformers' (top_k,
top_p, min_p).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from tyllm.runtime.generation.candidates import Filters
from tyllm.runtime.generation.distribution import Distribution
from tyllm.runtime.generation.penalties import Penalties
from tyllm.runtime.generation.sampling_params import LogitsProcessor, SamplingParams
from tyllm.runtime.step.model_runner import Logits, check_logits
from tyllm_base.errors import GenerationError


class Sampler:
    """Picks the tokens of one sequence; it holds what was picked, counts for penalties, and the random state."""

    def __init__(
        self, params: SamplingParams, prompt: Sequence[int] = (), processors: Sequence[LogitsProcessor] = ()
    ) -> None:
        """A sampler that has picked nothing.

        Args:
            params: sampling parameters; what they leave to the checkpoint's author is neutral.
            prompt: its tokens, for the repetition penalty.
            processors: what changes logits before.
        """
        self._filters, self._penalties, self._processors = Filters.of(params), Penalties(params, prompt), processors
        self._random = np.random.default_rng(params.seed)
        self._generated: list[int] = []

    def pick(self, logits: Logits) -> int:
        """The next token by logits float32 [V] after all that was picked before; it is remembered.

        Raises:
            StepError: a logit is NaN or ∞, or all are −∞.
            GenerationError: the sequence's own parameters leave no token, or its logits processors made such logits.
        """
        token = self._pick(self._processed(logits))
        if token is None:
            check_logits(logits)
            raise GenerationError(
                "The parameters leave no token that can be picked: after structured_outputs, allowed_token_ids, "
                "bad_words, min_tokens and logits processors no logit is a finite number, or one is NaN or infinite; "
                "allow more tokens."
            )
        self._generated.append(token)
        self._penalties.add(token)
        return token

    def _processed(self, logits: Logits) -> Logits:
        """The logits to pick by; those that were given are left as they are."""
        if self._penalties.are_off and not self._processors:
            return logits
        logits = logits.copy()
        for process in self._processors:
            logits = process(self._generated, logits)
        self._penalties.apply(logits)
        return logits

    def _pick(self, logits: Logits) -> int | None:
        """A token; None where the largest logit is no finite number."""
        if self._filters.temperature == 0:
            token = int(logits.argmax())  # the first NaN, where there is one
            return token if math.isfinite(logits[token]) else None
        distribution = Distribution(logits, self._filters.temperature)
        if not math.isfinite(distribution.top):
            return None
        floor = self._filters.floor(distribution)
        return distribution.draw(self._random) if floor == -np.inf else distribution.draw_from(floor, self._random)
