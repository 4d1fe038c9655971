"""What a run of a quantizer came to: what it cost and how good the result is, kept as JSON."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path


@dataclass(frozen=True)
class Outcome:
    """One tool on one model.

    Attributes:
        part: "quality" or "speed".
        model: the model's name.
        layers: its decoder layers.
        tool: the tool's name.
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


@dataclass(frozen=True)
class Results:
    """A run: when, on what machine, with which settings, and its outcomes."""

    when: str
    machine: str
    settings: dict[str, int]
    outcomes: list[Outcome]

    def save(self, path: Path) -> None:
        """Write JSON."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(asdict(self), indent=1) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, path: Path) -> "Results":
        """What `save` wrote."""
        values = json.loads(path.read_text(encoding="utf-8"))
        return cls(**values | {"outcomes": [Outcome(**outcome) for outcome in values["outcomes"]]})
