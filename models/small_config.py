"""The configs of real models, and the same shrunk to a few megabytes with their peculiarities kept."""

import json
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).with_name("configs")
VISION_CONFIGS = sorted(path.stem for path in FOLDER.glob("*-VL-*.json"))  # of vision-language models
CONFIGS = sorted({path.stem for path in FOLDER.glob("*.json")} - set(VISION_CONFIGS))
HIDDEN = 256  # of models whose width does not follow from their heads
INTERMEDIATE = 640  # five groups of 128: no number of dies but one divides them
VOCABULARY = 1024
WINDOW = 16  # tokens, where attention slides: short enough that a test leaves it
SPECIAL = {"bos_token_id": None, "eos_token_id": None, "pad_token_id": None}  # the real ones lie past VOCABULARY
MODEL_TYPES = {  # layers of both kinds where a family mixes them, and few small experts
    "gemma3_text": {"num_hidden_layers": 3, "sliding_window_pattern": 2},
    "gpt_oss": {
        "num_local_experts": 8,
        "num_experts_per_tok": 2,
        "intermediate_size": 128,
        "layer_types": ["sliding_attention", "full_attention"],
    },
    "qwen3_moe": {"num_experts": 8, "num_experts_per_tok": 2, "moe_intermediate_size": 128},
    "smollm3": {"num_hidden_layers": 3, "no_rope_layer_interval": 2},
}
UNEVEN = {"num_attention_heads": 28, "num_key_value_heads": 4, "hidden_size": 896, "vocab_size": 1003}
MODELS = {  # 28 heads in 4 groups of 7 and an odd vocabulary: what is hard to split
    "Qwen2-7B": UNEVEN,
    "Qwen2-VL-7B-Instruct": UNEVEN,
    "Qwen2.5-VL-7B-Instruct": UNEVEN,
}
VISION_TYPES = {  # 16 heads as in the real towers; windows of 2 × 2 image tokens
    "qwen2_vl": {"depth": 2, "embed_dim": 256},
    "qwen2_5_vl": {
        "depth": 3,
        "fullatt_block_indexes": [1],
        "hidden_size": 256,
        "intermediate_size": 340,
        "window_size": 56,
    },
}
VISION_SPECIALS = {
    "vision_start_token_id": 3,
    "vision_end_token_id": 4,
    "image_token_id": 5,
    "video_token_id": 6,
    "vision_token_id": 7,
}


def read_config(name: str) -> dict[str, Any]:
    """The config of that name in configs/, or at that path.

    Raises:
        ValueError: There is neither.
    """
    known = CONFIGS + VISION_CONFIGS
    path = FOLDER / f"{name}.json" if name in known else Path(name)
    if not path.is_file():
        raise ValueError(f"There is no config {name}; give the path of a config.json or one of {', '.join(known)}.")
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
    config |= MODEL_TYPES.get(config["model_type"], {}) | MODELS.get(name, {})
    return config | small_vision(config) if "vision_config" in config else config


def small_vision(config: dict[str, Any]) -> dict[str, Any]:
    """A vision-language model's own parts shrunk: tower, sections of the rotary embedding, special tokens."""
    vision = config["vision_config"] | VISION_TYPES[config["model_type"]]
    vision["hidden_size" if config["model_type"] == "qwen2_vl" else "out_hidden_size"] = config["hidden_size"]
    pairs = config["hidden_size"] // config["num_attention_heads"] // 2
    sections = config["rope_scaling"]["mrope_section"]
    sections = [section * pairs // sum(sections) for section in sections]
    return VISION_SPECIALS | {
        "vision_config": vision,
        "rope_scaling": config["rope_scaling"] | {"mrope_section": sections},
    }


def with_layers(config: dict[str, Any], layers: int | None, vision_layers: int | None) -> dict[str, Any]:
    """The config with so many layers of the language model and of the vision tower; None leaves them."""
    config = config | ({"num_hidden_layers": layers} if layers else {})
    if "layer_types" in config:
        config["layer_types"] = config["layer_types"][:layers]
    if vision_layers:
        vision = config["vision_config"] | {"depth": vision_layers}
        if "fullatt_block_indexes" in vision:
            kept = [i for i in vision["fullatt_block_indexes"] if i < vision_layers]
            vision["fullatt_block_indexes"] = kept or [vision_layers - 1]
        config["vision_config"] = vision
    return config
