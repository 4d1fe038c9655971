"""What a tiny config of a type needs beside small numbers: sizes that must fit one another, missing parts."""

from typing import Any

HYBRID = ["conv", "full_attention", "conv"]
BIDIRECTIONAL = (
    "bert", "bert-generation", "big_bird", "camembert", "data2vec-text", "electra", "ernie", "megatron-bert", "rembert",
    "roberta", "roberta-prelayernorm", "roc_bert", "roformer", "xlm-roberta", "xlm-roberta-xl", "xmod",
)  # fmt: skip
DECODER = {"is_decoder": True}
SLIDING = ["sliding_attention", "full_attention"]
ROPE = {"rope_type": "default", "rope_theta": 10000.0}
SECTIONS = ROPE | {"mrope_section": [4, 6, 6]}
THREE_AXES = ("glm46v", "glm4v", "glm_ocr", "glmga", "paddleocr_vl", "qwen2_5_omni_thinker", "qwen2_5_vl", "qwen2_vl")
GEMMA3N = {
    "layer_types": ["sliding_attention", "full_attention"] * 2,
    "num_hidden_layers": 4,
    "intermediate_size": [192] * 4,
    "activation_sparsity_pattern": [0.95, 0.0, 0.95, 0.0],
}
INDEXER = {"n_heads": 4, "kv_heads": 1, "head_dim": 32, "budget": 16, "compress_ratio": 8}
MAMBA = {"mamba_n_heads": 8, "mamba_d_head": 32}
NO_MODEL = {
    **dict.fromkeys(
        ("gemma4_assistant", "gemma4_unified_assistant"),
        "It drafts for a Gemma 4 from that model's hidden states and caches, and gives no text by itself.",
    ),
    **dict.fromkeys(("musicgen", "musicgen_melody"), "It writes codes of sound in several books at once, not text."),
}
"""Model type → why there is no language model of it to try."""
CHANGES: dict[str, dict[str, Any]] = {
    **dict.fromkeys(BIDIRECTIONAL, DECODER),
    "reformer": DECODER | {"axial_pos_shape": [16, 16], "axial_pos_embds_dim": [64, 64]},
    "xmod": DECODER | {"default_language": "en_XX"},
    "roc_bert": DECODER | {"shape_vocab_size": 352, "pronunciation_vocab_size": 352},
    "bamba": MAMBA,
    "blt": {f"{part}vocab_size": 352 for part in ("", "encoder_config.", "decoder_config.", "patcher_config.")},
    "dbrx": {
        "attn_config.rope_theta": 10000.0,
        "attn_config.clip_qkv": 8.0,
        "attn_config.kv_n_heads": 2,
        "ffn_config.moe_top_k": 2,
    },
    "granitemoehybrid": MAMBA,
    "mamba2": {"num_heads": 8, "head_dim": 32},
    "chameleon": {"vocabulary_map": {"<image>": 340}},
    "emu3": {"vocabulary_map": {"<image>": 340}},
    "gpt_neo": {"attention_types": [[["global", "local"], 1]]},
    "lfm2": {"layer_types": HYBRID, "num_hidden_layers": 3},
    "lfm2_moe": {"layer_types": HYBRID, "num_hidden_layers": 3},
    "glm5_next": {"index_kpool": 8, "text_config.index_kpool": 8},
    "granite4_vision": {"text_config.model_type": "granite"},
    "cohere_compass_text": {"layer_types": SLIDING, "rope_parameters": dict.fromkeys(SLIDING, SECTIONS)},
    "dots1": {"n_shared_experts": 1, "num_experts_per_tok": 2},
    "deepseek_v2": {"num_experts_per_tok": 2},
    "gemma3n_text": GEMMA3N,
    "qwen4_exp": {f"text_config.indexer_{name}": value for name, value in INDEXER.items()},
    "qwen4_exp_text": {f"indexer_{name}": value for name, value in INDEXER.items()},
    "step3p7": {"text_config.sliding_window": 16},
    "zamba2": {"attention_hidden_size": 256, "attention_head_dim": 64, "n_mamba_heads": 8, "mamba_headdim": 32},
    **{each: {"text_config.rope_parameters": SECTIONS} for each in THREE_AXES},
    "glm4v_moe": {"text_config.rope_parameters": ROPE | {"mrope_section": [2, 3, 3], "partial_rotary_factor": 0.5}},
    "cohere_compass": {
        "text_config.layer_types": SLIDING,
        "text_config.rope_parameters": dict.fromkeys(SLIDING, SECTIONS),
    },
    "zamba": {
        "attention_hidden_size": 256,
        "attention_head_dim": 64,
        "num_hidden_layers": 6,
        "layers_block_type": ["linear_attention", "linear_attention", "hybrid"] * 2,
    },
}
"""Model type → field (of a part: dotted) → value; `...` leaves the type's own default."""
