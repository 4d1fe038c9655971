"""The models that are quantized: the trained one, its outlier variant, and random weights in larger shapes."""

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from baselines.harness.paths import MADE, MODEL_SCRIPTS
from baselines.harness.steps import make
from plant_outliers import plant
from random_weights import write_random_checkpoint
from small_config import read_config

CHECKPOINTS = MADE / "quantization" / "checkpoints"
TRAINED = MODEL_SCRIPTS / "tyllm-7m"
PLANTED = "tyllm-7m-planted"
NATURAL = "tyllm-7m"
VOCABULARY = 4096  # the trained tokenizer's; embedding and head cost little then


@dataclass(frozen=True)
class Shape:
    """A shape in which time is measured: `changes` to the config of Qwen1.5-1.8B."""

    name: str
    title: str
    changes: dict[str, int]

    def config(self, layers: int) -> dict[str, Any]:
        """The config with so many layers."""
        own = {"num_hidden_layers": layers, "vocab_size": VOCABULARY, "max_window_layers": layers}
        return read_config("Qwen1.5-1.8B") | self.changes | own


SMALL = {"hidden_size": 512, "intermediate_size": 1408, "num_attention_heads": 8, "num_key_value_heads": 8}
SHAPES = (
    Shape("hidden-512", "hidden 512, intermediate 1408", SMALL),
    Shape("Qwen1.5-1.8B", "Qwen1.5-1.8B: hidden 2048, intermediate 5504", {}),
)


def trained(name: str) -> Path:
    """The trained model's folder, or that of its outlier variant, made on the first call."""
    if name == NATURAL:
        return TRAINED
    return make(CHECKPOINTS / name, name, partial(plant, TRAINED))


def untrained(shape: Shape, layers: int) -> Path:
    """A folder with random float16 weights in that shape, made on the first call."""
    name = f"{shape.name}-{layers}"
    return make(CHECKPOINTS / name, name, partial(write_random_checkpoint, shape.config(layers)))
