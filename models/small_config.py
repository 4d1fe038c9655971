"""The configs of real models, and the same shrunk to a few megabytes with their peculiarities kept."""

import json
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).with_name("configs")
CONFIGS = sorted(path.stem for path in FOLDER.glob("*.json"))
HIDDEN = 256  # of models whose width does not follow from their heads
INTERMEDIATE = 640  # five groups of 128: no number of dies but one divides them
VOCABULARY = 1024
WINDOW = 16  # tokens, where attention slides: short enough that a test leaves it
SPECIAL = {"bos_token_id": None, "eos_token_id": None, "pad_token_id": None}  # the real ones lie past VOCABULARY
MODEL_TYPES = {  # layers of both kinds where a family mixes them
    "gemma3_text": {"num_hidden_layers": 3, "sliding_window_pattern": 2},
    "smollm3": {"num_hidden_layers": 3, "no_rope_layer_interval": 2},
}
MODELS = {  # 28 heads in 4 groups of 7 and an odd vocabulary: what is hard to split
    "Qwen2-7B": {"num_attention_heads": 28, "num_key_value_heads": 4, "hidden_size": 896, "vocab_size": 1003},
}


def read_config(name: str) -> dict[str, Any]:
    """The config of that name in configs/, or at that path.

    Raises:
        ValueError: There is neither.
    """
    path = FOLDER / f"{name}.json" if name in CONFIGS else Path(name)
    if not path.is_file():
        raise ValueError(f"There is no config {name}; give the path of a config.json or one of {', '.join(CONFIGS)}.")
    config: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return config


def small_heads(config: dict[str, Any]) -> dict[str, int]:
    """Four heads, or two groups of as many heads as the model has; together a multiple of 128 wide."""
    heads = config["num_attention_heads"]
    groups = config.get("num_key_value_heads", heads)
    small_groups = 4 if groups == heads else min(groups, 2)
    small = {"num_attention_heads": heads // groups * small_groups, "num_key_value_heads": small_groups}
    if "head_dim" in config:
        return small | {"head_dim": 64, "hidden_size": HIDDEN}
    widths = (small["num_attention_heads"] * width for width in (32, 64, 128))
    return small | {"hidden_size": next(width for width in widths if width >= HIDDEN and width % 128 == 0)}


def small_config(name: str) -> dict[str, Any]:
    """The config of that name or path with two or three narrow layers.

    Kept are the ratio of query to KV heads, biases, norms, tied embeddings, rope and its scaling, and what else makes
    the family; the input of every linear layer is a multiple of 128.
    """
    config = read_config(name)
    config |= {"num_hidden_layers": 2, "intermediate_size": INTERMEDIATE, "vocab_size": VOCABULARY}
    config |= SPECIAL | small_heads(config)
    if config.get("sliding_window") and config.get("use_sliding_window", True):
        config["sliding_window"] = WINDOW
    return config | MODEL_TYPES.get(config["model_type"], {}) | MODELS.get(name, {})
