"""Tiny random checkpoints of several families, and how far apart two models are."""

import torch
from transformers import AutoModelForCausalLM, Gemma2Config, LlamaConfig, MistralConfig, Qwen2Config, Qwen3Config

SHAPE = {
    "hidden_size": 128,
    "intermediate_size": 192,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "vocab_size": 96,
    "max_position_embeddings": 128,
}
FAMILIES = {
    "qwen2": Qwen2Config(**SHAPE, tie_word_embeddings=True),
    "qwen3": Qwen3Config(**SHAPE, head_dim=32, tie_word_embeddings=True),
    "llama": LlamaConfig(**SHAPE | {"num_key_value_heads": 4}, tie_word_embeddings=False),
    "mistral": MistralConfig(**SHAPE, head_dim=32, tie_word_embeddings=False),
    "gemma2": Gemma2Config(**SHAPE, head_dim=32),
}
CONFIG = {"zero_point": True, "q_group_size": 64, "w_bit": 4, "version": "GEMM"}


def save_tiny(family, folder, dtype=torch.float16, **changes):
    """Write a random checkpoint whose weights are large enough that every layer matters; returns `folder`."""
    torch.manual_seed(0)
    config = FAMILIES[family].__class__.from_dict(FAMILIES[family].to_dict() | changes)
    model = AutoModelForCausalLM.from_config(config, dtype=torch.float32)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if parameter.dim() > 1 and "embed" not in name:
                parameter.normal_(std=1.5 / parameter.shape[1] ** 0.5)
            elif "norm" in name:
                parameter.add_(torch.randn_like(parameter) / 8)
            elif parameter.dim() == 1:
                parameter.normal_(std=0.1)
    model.to(dtype).save_pretrained(folder)
    return folder


def token_lists(count=8, length=32, vocabulary=96, seed=0):
    """Random calibration token ids."""
    return torch.randint(vocabulary, (count, length), generator=torch.Generator().manual_seed(seed)).tolist()


@torch.no_grad()
def kl(reference, model, ids):
    """Mean Kullback-Leibler divergence in nats of next-token distributions, of `model` from `reference`."""
    p, q = (m(torch.tensor(ids)).logits.float().log_softmax(-1) for m in (reference, model))
    return float((p.exp() * (p - q)).sum(-1).mean())
