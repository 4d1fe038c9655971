"""Mixtures of experts of a few hundred kilobytes, with random weights."""

from models.random_weights import write_random_checkpoint

CONFIG = {
    "model_type": "qwen2_moe",
    "hidden_size": 128,
    "intermediate_size": 160,
    "num_hidden_layers": 1,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "vocab_size": 320,
    "max_position_embeddings": 128,
    "num_experts": 6,
    "num_experts_per_tok": 2,
    "moe_intermediate_size": 96,
    "shared_expert_intermediate_size": 128,
}
"""A layer of six experts, of which each token chooses two, and one that all share."""
MIXTRAL = {"model_type": "mixtral", "num_local_experts": 4, "intermediate_size": 96}
GPT_OSS = {
    "model_type": "gpt_oss",
    "num_hidden_layers": 2,
    "layer_types": ["sliding_attention", "full_attention"],
    "sliding_window": 16,
    "head_dim": 32,
    "num_local_experts": 6,
    "intermediate_size": 96,
    "rope_parameters": {
        "rope_type": "yarn",
        "rope_theta": 150000.0,
        "factor": 4.0,
        "beta_fast": 32.0,
        "beta_slow": 1.0,
        "truncate": False,
        "original_max_position_embeddings": 32,
    },
}
"""Stacks of all experts, transposed, gate and up in turns, with biases; sinks, and windows in every other layer."""
IN_MXFP4 = GPT_OSS | {"quantization_config": {"quant_method": "mxfp4"}}
"""The same as it is published."""


def write_mixture(folder, **changes):
    """A float16 checkpoint with a tensor for each linear layer of each expert, as the hub has them."""
    write_random_checkpoint(CONFIG | changes, folder)
    return folder
