"""The shapes that are compared, and how much work a token is in each."""

import json
from dataclasses import dataclass

from baselines.harness.paths import MODEL_SCRIPTS

CONFIGS = MODEL_SCRIPTS / "configs"
BITS_PER_WEIGHT = 4 + 16 / 128  # INT4 with a float16 scale for each group of 128
NEW_TOKENS = 33  # the first ends the prompt's time, 32 are timed
REPEATS = {96: 3, 512: 2, 4096: 1}  # within a process


@dataclass(frozen=True)
class Shape:
    """A model's shape.

    Attributes:
        name: as models/random_weights.py knows it.
        title: as the tables call it.
        prompts: the lengths that are measured.
    """

    name: str
    title: str
    prompts: tuple[int, ...]

    @property
    def vocabulary(self) -> int:
        """Number of token ids."""
        return int(self._config()["vocab_size"])

    def body_weights(self) -> int:
        """Weights of the linear layers, the output projection left out."""
        config = self._config()
        hidden, head = config["hidden_size"], config["hidden_size"] // config["num_attention_heads"]
        attention = 2 * hidden * hidden + 2 * hidden * head * config["num_key_value_heads"]
        return int(config["num_hidden_layers"] * (attention + 3 * hidden * config["intermediate_size"]))

    def bytes_per_token(self) -> float:
        """Bytes that decoding a token reads, were every weight of body and output projection INT4."""
        return (self.body_weights() + self._head_weights()) * BITS_PER_WEIGHT / 8

    def operations_per_token(self) -> float:
        """Multiplications and additions of the linear layers for a token of a prompt."""
        return 2.0 * self.body_weights()

    def _head_weights(self) -> int:
        return int(self._config()["hidden_size"]) * self.vocabulary

    def _config(self) -> dict[str, int]:
        configuration: dict[str, int] = json.loads((CONFIGS / f"{self.name}.json").read_text(encoding="utf-8"))
        return configuration


SHAPES = (
    Shape("Qwen2-0.5B", "Qwen2-0.5B", (96, 512, 4096)),
    Shape("Qwen1.5-1.8B", "Qwen1.5-1.8B", (96, 512)),
)
