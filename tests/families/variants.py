"""Variants of a tiny model: one field of its config changed, as other sizes, fine-tunes and authors have it.

A variant is named like `llama+mlp_bias=true`, or with several fields `llama+mlp_bias=true+vocab_size=353`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from tests.families.changes import CHANGES
from tests.families.tiny_config import HEAD_WIDTH, POSITIONS, tiny_config

NO_MATTER = (
    "return_dict", "use_cache", "output_attentions", "output_hidden_states", "output_router_logits", "is_decoder",
    "is_encoder_decoder", "add_cross_attention", "use_mamba_kernels", "fp32_residual_connection", "use_return_dict",
    "initializer_range", "initializer_factor", "embedding_initializer_range", "router_aux_loss_coef",
)  # fmt: skip
TRAINING = ("dropout", "drop", "pdrop", "loss_coef", "jitter", "init_std")
ACTIVATIONS = ("hidden_act", "hidden_activation", "activation_function", "activation")
OTHER_ACTIVATIONS = ("relu", "gelu", "gelu_pytorch_tanh", "silu")
HEADS = ("num_attention_heads", "n_head", "n_heads")
KEY_VALUE_HEADS = ("num_key_value_heads", "num_kv_heads")
WIDTHS = ("hidden_size", "n_embd", "d_model")
INTEGERS = {
    "vocab_size": (353,),
    "intermediate_size": (200,),
    "moe_intermediate_size": (72,),
    "num_experts_per_tok": (1, 3),
    "num_local_experts": (6,),
    "num_experts": (6,),
    "n_routed_experts": (6,),
    "n_shared_experts": (2,),
    "decoder_sparse_step": (2,),
    "first_k_dense_replace": (0, 2),
    "sliding_window": (5, 64),
    "attention_chunk_size": (5, 64),
    "max_window_layers": (0, 2),
    "head_dim": (16, 40),
    "rotary_dim": (8,),
    "num_kv_shared_layers": (0,),
    "num_nextn_predict_layers": (0,),
    "pretraining_tp": (2,),
}
NONES = {
    "sliding_window": 5,
    "final_logit_softcapping": 3.0,
    "attn_logit_softcapping": 3.0,
    "clip_qkv": 0.5,
    "n_inner": 200,
    "num_key_value_heads": 2,
    "head_dim": 16,
    "pad_token_id": 3,
    "mlp_only_layers": [0],
}
ROPE_SCALINGS: tuple[dict[str, Any], ...] = (
    {"rope_type": "linear", "factor": 4.0},
    {"rope_type": "dynamic", "factor": 4.0},
    {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 16},
    {"rope_type": "yarn", "factor": 8.0, "original_max_position_embeddings": 16, "mscale": 0.7, "mscale_all_dim": 1.0},
    {
        "rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
        "original_max_position_embeddings": 16,
    },
    {"partial_rotary_factor": 0.5},
    {"rope_theta": 1e6},
)  # fmt: skip


def variant_names(model_type: str) -> list[str]:
    """The variants of a type, each with one field (or fields that must go together) changed."""
    changes = CHANGES.get(model_type, {})
    config = tiny_config(model_type, changes)
    part = "text_config." if "text_config" in config.to_dict() else ""
    raw = config.to_dict()["text_config"] if part else config.to_dict()
    return [
        model_type
        + "".join(f"+{part}{name}={json.dumps(value, separators=(',', ':'))}" for name, value in each.items())
        for each in one_field_each(raw)
    ]


def changes_of(name: str) -> tuple[str, dict[str, Any]]:
    """The model type that a variant's name begins with, and all changes of its tiny config."""
    model_type, *fields = name.split("+")
    changes = dict(CHANGES.get(model_type, {}))
    for each in fields:
        key, _, value = each.partition("=")
        changes[key] = json.loads(value)
    return model_type, changes


def one_field_each(raw: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """The changes of each variant of a config."""
    for name, value in raw.items():
        if name in NO_MATTER or any(word in name for word in TRAINING):
            continue
        for other in other_values(name, value, raw):
            yield {name: other}
    yield from other_heads(raw)
    yield from other_lengths(raw)


def other_values(name: str, value: Any, raw: Mapping[str, Any]) -> Iterator[Any]:
    """What else a field may say."""
    if isinstance(value, bool):
        yield not value
    elif value is None and name in NONES:
        yield NONES[name]
    elif isinstance(value, int) and name in INTEGERS:
        yield from (other for other in INTEGERS[name] if other != value)
    elif isinstance(value, int) and name in KEY_VALUE_HEADS:
        yield from (other for other in (1, 2, 4) if other != value)
    elif isinstance(value, float):
        yield 0.01 if "eps" in name else value * 1.5 if value else 0.5
    elif isinstance(value, str) and name in ACTIVATIONS:
        yield from [other for other in OTHER_ACTIVATIONS if other != value][:2]
    elif name == "layer_types" and len(set(value)) > 1:
        yield value[::-1]
    elif name == "rope_parameters" and isinstance(value, dict):
        for scaling in ROPE_SCALINGS:
            yield scaled(value, scaling)


def scaled(rope: dict[str, Any], scaling: Mapping[str, Any]) -> dict[str, Any]:
    """Rotary parameters with other ones added; of every kind of layer where they differ."""
    if rope and all(isinstance(value, dict) for value in rope.values()):
        return {kind: scaled(value, scaling) for kind, value in rope.items()}
    return rope | dict(scaling)


def other_heads(raw: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Six heads, which three dies divide and four do not."""
    width = next((name for name in WIDTHS if isinstance(raw.get(name), int)), None)
    heads = next(
        (name for name in ("num_attention_heads", "n_head", "n_heads") if isinstance(raw.get(name), int)), None
    )
    if width and heads:
        found = {width: 6 * HEAD_WIDTH, heads: 6}
        for name in KEY_VALUE_HEADS:
            if isinstance(raw.get(name), int):
                found[name] = {1: 1, raw[heads]: 6}.get(raw[name], 3)
        yield found


def other_lengths(raw: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Fewer positions than the text has tokens, as many as the cache, and windows where there were none."""
    rope, kinds = raw.get("rope_parameters"), raw.get("layer_types")
    if raw.get("max_position_embeddings") == POSITIONS:
        yield {"max_position_embeddings": 64}
        if isinstance(rope, dict) and "rope_type" in rope:
            for kind in ("dynamic", "yarn"):
                yield {"max_position_embeddings": 16, "rope_parameters": rope | {"rope_type": kind, "factor": 4.0}}
    if kinds and set(kinds) == {"full_attention"} and "sliding_window" in raw:
        sliding = {"sliding_window": 5, "layer_types": ["sliding_attention", *kinds[1:]]}
        yield sliding | ({"use_sliding_window": True} if "use_sliding_window" in raw else {})
