"""The cost of a quantizer's run and the quality of its result, kept as JSON."""

import json
from dataclasses import dataclass
from pathlib import Path

from baselines.harness.run import Run


@dataclass(frozen=True)
class Outcome:
    """One quantizer on one model.

    Attributes:
        part: "quality" or "speed".
        model: the model's name.
        layers: its decoder layers.
        tool: the quantizer's name.
        head: whether the output projection was quantized too.
        cpu: user and system seconds of reading, quantizing and writing, imports left out.
        process_cpu: user and system seconds of the whole process.
        wall: seconds of the whole process.
        peak_rss: bytes.
        size: bytes of the weights' files.
        perplexity: on the held-out text.
        divergence: mean KL divergence from the float model, nats a token.
        agreement: share of the tokens where both find the same one likeliest.
        error: why there are no figures.
    """

    part: str
    model: str
    layers: int
    tool: str
    head: bool = False
    cpu: float = 0.0
    process_cpu: float = 0.0
    wall: float = 0.0
    peak_rss: int = 0
    size: int = 0
    perplexity: float | None = None
    divergence: float | None = None
    agreement: float | None = None
    error: str = ""

    @property
    def identity(self) -> tuple[str, str, int, str, bool]:
        """Equal for two outcomes of the same quantizer on the same model."""
        return self.part, self.model, self.layers, self.tool, self.head


@dataclass(kw_only=True)
class QuantizationRun(Run[Outcome]):
    """A run whose samples are outcomes, and the settings that all of them were made with."""

    settings: dict[str, int]

    @classmethod
    def load(cls, path: Path) -> "QuantizationRun":
        """Read what `save` wrote."""
        content = json.loads(path.read_text(encoding="utf-8"))
        return cls(**content | {"samples": [Outcome(**outcome) for outcome in content["samples"]]})

    def keep(self, outcome: Outcome) -> None:
        """Add the outcome, in place of an earlier one of the same run of the same quantizer."""
        self.samples[:] = [*(other for other in self.samples if other.identity != outcome.identity), outcome]
