"""Vision-language checkpoints of half a megabyte with random weights: heads and widths that few numbers divide."""

import json

import torch
from transformers import AutoConfig, AutoModelForImageTextToText

TEXT = {
    "hidden_size": 128,
    "num_hidden_layers": 2,
    "num_attention_heads": 8,
    "num_key_value_heads": 4,
    "intermediate_size": 384,
    "vocab_size": 331,
    "bos_token_id": None,
    "eos_token_id": None,
    "rope_parameters": {"rope_type": "default", "rope_theta": 1e4, "mrope_section": [2, 3, 3]},
}
VISION = {
    "qwen2_vl": {"depth": 3, "embed_dim": 96, "num_heads": 6, "hidden_size": 128},
    "qwen2_5_vl": {
        "depth": 3,
        "hidden_size": 96,
        "num_heads": 6,
        "intermediate_size": 100,
        "out_hidden_size": 128,
        "fullatt_block_indexes": [1],
        "window_size": 56,
    },
}
TOKENS = {"image_token_id": 320, "video_token_id": 321, "vision_start_token_id": 322, "vision_end_token_id": 323}
PREPROCESSOR = {
    "image_processor_type": "Qwen2VLImageProcessor",
    "patch_size": 14,
    "temporal_patch_size": 2,
    "merge_size": 2,
    "min_pixels": 3136,
    "max_pixels": 12845056,
    "image_mean": [0.48145466, 0.4578275, 0.40821073],
    "image_std": [0.26862954, 0.26130258, 0.27577711],
}


def write_tiny_vision_language(folder, family="qwen2_5_vl", tied=False, seed=0):
    """A float16 checkpoint as transformers saves it, with the preprocessor's settings and no tokenizer."""
    model = tiny_vision_language(family, tied, seed).half()
    model.save_pretrained(folder)
    (folder / "preprocessor_config.json").write_text(json.dumps(PREPROCESSOR))
    return folder


def tiny_vision_language(family="qwen2_5_vl", tied=False, seed=0):
    """Hugging Face's model in float32, of weights that float16 holds."""
    text = TEXT | {"tie_word_embeddings": tied}
    config = AutoConfig.for_model(
        family, text_config=text, vision_config=VISION[family], tie_word_embeddings=tied, **TOKENS
    )
    torch.manual_seed(seed)
    model = AutoModelForImageTextToText.from_config(config, dtype=torch.float32)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter.copy_(_values(name, parameter).half())
    return model.eval()


def _values(name, parameter):
    """What keeps activations near one, with norms and biases that differ a little."""
    noise = torch.randn_like(parameter)
    if parameter.ndim > 1:
        return noise / parameter[0].numel() ** 0.5
    return 1 + 0.1 * noise if "norm" in name or "ln_q" in name else 0.1 * noise
