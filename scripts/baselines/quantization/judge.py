"""One judge for all: every quantizer's folder dequantized to float32, beside the float model, on the held-out text."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
from baselines.quantization.measure import output_folder
from baselines.quantization.outcomes import Outcome
from measure import HELD_OUT, score, tokens_of
from transformers import AutoTokenizer

from awq.stream.dequantize import load_dequantized


class CachedLogits:
    """A model that computes the logits of each batch of tokens once."""

    def __init__(self, model: Any) -> None:
        self.model = model
        self.outputs: dict[bytes, SimpleNamespace] = {}

    def __call__(self, rows: torch.Tensor) -> SimpleNamespace:
        """Logits of `rows` (windows, tokens), as an attribute `logits` (windows, tokens, vocabulary)."""
        key = rows.numpy().tobytes()
        if key not in self.outputs:
            self.outputs[key] = SimpleNamespace(logits=self.model(rows).logits)
        return self.outputs[key]


class Judge:
    """Scores folders that were made from `checkpoint`."""

    def __init__(self, checkpoint: Path) -> None:
        self.reference = CachedLogits(load_dequantized(checkpoint))
        self.ids: torch.Tensor = tokens_of(AutoTokenizer.from_pretrained(checkpoint), HELD_OUT)

    def judged(self, outcome: Outcome) -> Outcome:
        """`outcome` with its scores; one that failed stays as it is."""
        if outcome.error:
            return outcome
        found = score(load_dequantized(output_folder(outcome)), self.reference, self.ids)
        return replace(outcome, perplexity=found.perplexity, divergence=found.divergence, agreement=found.agreement)

    def float_row(self, model: str, layers: int) -> Outcome:
        """The float model beside itself."""
        found = score(self.reference, self.reference, self.ids)
        return Outcome("quality", model, layers, "float", perplexity=found.perplexity, divergence=0.0, agreement=1.0)
