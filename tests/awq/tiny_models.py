"""Tiny random models of several families, token ids for them, and how far apart two models are."""

import torch
from transformers import (
    AutoModelForCausalLM,
    Gemma2Config,
    GPTNeoXConfig,
    LlamaConfig,
    MistralConfig,
    Phi3Config,
    Qwen2Config,
    Qwen3Config,
)

torch.set_num_threads(1)  # the tensors are tiny: threads would only wait for each other

VOCABULARY = 96
SHAPE = {
    "hidden_size": 128,
    "intermediate_size": 192,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "vocab_size": VOCABULARY,
    "max_position_embeddings": 128,
    "bos_token_id": None,
    "eos_token_id": None,
    "pad_token_id": None,
}
FAMILIES = {
    "qwen2": Qwen2Config(**SHAPE, tie_word_embeddings=True),
    "qwen3": Qwen3Config(**SHAPE, head_dim=32, tie_word_embeddings=True),
    "llama": LlamaConfig(**SHAPE | {"num_key_value_heads": 4}, tie_word_embeddings=False),
    "mistral": MistralConfig(**SHAPE, head_dim=32, tie_word_embeddings=False),
    "gemma2": Gemma2Config(**SHAPE, head_dim=32),
    "phi3": Phi3Config(**SHAPE),
    "gpt_neox": GPTNeoXConfig(**SHAPE),
}


def random_model(family: str, **changes: object) -> torch.nn.Module:
    """A float32 model whose random weights are large enough that every layer matters."""
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(type(FAMILIES[family]).from_dict(FAMILIES[family].to_dict() | changes))
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if parameter.dim() > 1 and "embed" not in name:
                parameter.normal_(std=1.5 / parameter.shape[1] ** 0.5)
            elif "norm" in name and "bias" not in name:
                parameter.add_(torch.randn_like(parameter) / 8)
            elif parameter.dim() == 1:
                parameter.normal_(std=0.1)
    return model


def token_lists(count: int = 8, length: int = 32, seed: int = 0) -> list[list[int]]:
    """Random token ids."""
    return torch.randint(VOCABULARY, (count, length), generator=torch.Generator().manual_seed(seed)).tolist()


@torch.no_grad()
def kl(reference: torch.nn.Module, model: torch.nn.Module, ids: list[list[int]]) -> float:
    """Mean Kullback-Leibler divergence in nats a token of `model` from `reference`."""
    p, q = (m(torch.tensor(ids)).logits.float().log_softmax(-1) for m in (reference, model))
    return float((p.exp() * (p - q)).sum(-1).mean())
