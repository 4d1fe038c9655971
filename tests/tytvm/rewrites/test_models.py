"""Hugging Face's models, tiny and random: what each rewrite finds, and that the rewritten graph says the same."""

import pytest
import torch
import transformers
from transformers.masking_utils import AttentionMaskInterface
from transformers.modeling_utils import AttentionInterface

import tytvm.ops  # noqa: F401  (defines torch.ops.tytvm)

TINY = {
    "hidden_size": 64, "num_hidden_layers": 2, "intermediate_size": 96, "num_attention_heads": 4,
    "num_key_value_heads": 2, "head_dim": 16, "vocab_size": 128,
    "pad_token_id": 0, "eos_token_id": 1, "bos_token_id": 2,
}  # fmt: skip
LLAMA_3_1 = {
    "rope_type": "llama3", "rope_theta": 500000.0, "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
    "original_max_position_embeddings": 4,
}  # fmt: skip

# Configuration class, what differs from TINY, and how many rms_norm, rope and swiglu two layers have.
FAMILIES = {
    "qwen2": ("Qwen2Config", {}, (5, 4, 2)),
    "qwen3": ("Qwen3Config", {}, (9, 4, 2)),  # q/k norm per head
    "llama-3.1": ("LlamaConfig", {"rope_parameters": LLAMA_3_1}, (5, 4, 2)),
    "mistral": ("MistralConfig", {"sliding_window": 3}, (5, 4, 2)),
    "gemma": ("GemmaConfig", {}, (5, 4, 0)),  # weights are 1 + w, the gate is a GELU
    "gemma2": ("Gemma2Config", {"sliding_window": 3, "query_pre_attn_scalar": 16}, (9, 4, 0)),
    "phi3": ("Phi3Config", {}, (5, 4, 2)),
    "olmo2": ("Olmo2Config", {}, (9, 4, 2)),  # q/k norm over all heads, norms after the blocks
    "stablelm": ("StableLmConfig", {}, (0, 4, 2)),  # LayerNorm; a quarter of the head is rotated
    "glm": ("GlmConfig", {}, (5, 0, 2)),  # interleaved rotary keeps the generic path
}
CLUTTER = {"_assert_tensor_metadata", "diff", "cumsum", "dropout", "alias", "clone", "contiguous", "type_as", "view"}


class Logits(torch.nn.Module):
    """A causal model as a function of tokens and positions."""

    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, tokens, positions):
        return self.model(input_ids=tokens, position_ids=positions, use_cache=False).logits


def attention(module, q, k, v, mask, scaling=None, sliding_window=None, softcap=None, **_):
    return torch.ops.tytvm.attention(
        q, k, v, module.layer_idx, float(scaling), int(sliding_window or 0), float(softcap or 0.0)
    ), None


AttentionInterface.register("tytvm_ops", attention)
AttentionMaskInterface.register("tytvm_ops", lambda *_, **__: None)


@pytest.fixture(scope="module", autouse=True)
def threads():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


def tiny(family):
    """A random model of the family."""
    config_class, changes, _ = FAMILIES[family]
    config = getattr(transformers, config_class)(**{**TINY, **changes})
    model = transformers.AutoModelForCausalLM.from_config(config, dtype=torch.float32).eval()
    with torch.no_grad():
        for parameter in model.parameters():  # norms start at one: a mistake with their weights would go unseen
            parameter.add_(0.1 * torch.randn_like(parameter))
    return model


def counts(graph_module):
    return tuple(graph_module.meta["rewrites"][name] for name in ("rms_norm", "rope", "swiglu"))


@pytest.mark.parametrize("family", FAMILIES)
def test_rewritten_model_says_what_hugging_face_says(family, rewritten):
    model = tiny(family)
    inputs = torch.randint(3, 128, (1, 8)), torch.arange(8).unsqueeze(0)
    model.set_attn_implementation("eager")
    with torch.no_grad():
        expected = Logits(model)(*inputs)
    model.set_attn_implementation("tytvm_ops")
    graph_module = rewritten(Logits(model), *inputs)  # which compares the graph before and after
    with torch.no_grad():
        torch.testing.assert_close(Logits(model)(*inputs), expected, atol=1e-5, rtol=1e-5)
    assert counts(graph_module) == FAMILIES[family][2]
    check_tidy(graph_module.graph)


def check_tidy(graph):
    """No clutter is left, and cos and sin are computed once for all layers."""
    names = [getattr(node.target, "_opname", "") for node in graph.nodes]
    assert not CLUTTER.intersection(names)
    assert (names.count("cos"), names.count("sin")) == (1, 1)
    assert names.count("to") <= 1  # positions to float32


def test_one_token(rewritten):
    model = tiny("qwen2")
    model.set_attn_implementation("tytvm_ops")
    graph_module = rewritten(Logits(model), torch.tensor([[7]]), torch.tensor([[41]]))
    assert counts(graph_module) == FAMILIES["qwen2"][2]
    check_tidy(graph_module.graph)
