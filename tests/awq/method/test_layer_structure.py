"""Scale groups are found from structure alone, for families that nothing in the code names."""

import pytest
import torch
from tests.awq.tiny_models import random_model
from torch import nn

from awq.method.layer_structure import ScaleGroup, apply_scale, find_structure, output_magnitudes

ATTENTION = ("input_layernorm", 0.0, ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"), "self_attn")
MLP = ("post_attention_layernorm", 0.0, ("mlp.gate_proj", "mlp.up_proj"), "mlp")
VALUES = ("self_attn.v_proj", 0.0, ("self_attn.o_proj",), "self_attn.o_proj")
DOWN = ("mlp.up_proj", 0.0, ("mlp.down_proj",), "mlp.down_proj")
EXPECTED = {
    "qwen2": [ATTENTION, MLP, DOWN],  # two KV heads for four query heads: v_proj cannot be scaled
    "qwen3": [ATTENTION, MLP, DOWN],
    "llama": [ATTENTION, VALUES, MLP, DOWN],
    "mistral": [ATTENTION, MLP, DOWN],
    "gemma2": [  # its norms multiply by 1 + weight, and another norm comes before the MLP
        ("input_layernorm", 1.0, *ATTENTION[2:]),
        ("pre_feedforward_layernorm", 1.0, *MLP[2:]),
        DOWN,
    ],
    "phi3": [  # fused projections: the last outputs of gate_up_proj are up's
        ("input_layernorm", 0.0, ("self_attn.qkv_proj",), "self_attn"),
        ("post_attention_layernorm", 0.0, ("mlp.gate_up_proj",), "mlp"),
        ("mlp.gate_up_proj", 0.0, ("mlp.down_proj",), "mlp.down_proj"),
    ],
    "gpt_neox": [  # an activation stands between the MLP's two layers
        ("input_layernorm", 0.0, ("attention.query_key_value",), "attention"),
        ("post_attention_layernorm", 0.0, ("mlp.dense_h_to_4h",), "mlp"),
    ],
}


ADDERS = {  # what o_proj adds to the stream, the MLP reads too; Gemma 2 has norms behind; NeoX's MLP stands beside
    **{family: {"mlp.down_proj"} for family in ("qwen2", "qwen3", "llama", "mistral", "phi3")},
    "gemma2": set(),
    "gpt_neox": {"attention.dense", "mlp.dense_4h_to_h"},
}


@torch.no_grad()
def structure_of(family):
    model = random_model(family).eval()
    layers = model.base_model.layers
    caught = {}
    handle = layers[0].register_forward_hook(lambda m, a, k, o: caught.update(a=a, k=k), with_kwargs=True)
    model(torch.arange(12)[None], use_cache=False)
    handle.remove()

    def run():
        output = layers[0](*caught["a"], **caught["k"])
        return output[0] if isinstance(output, tuple) else output

    return find_structure(layers[0], run), layers[0], run


@pytest.mark.parametrize("family", EXPECTED)
def test_groups_of(family):
    structure, _, _ = structure_of(family)
    assert list(structure.scale_groups) == [ScaleGroup(*group) for group in EXPECTED[family]]


@pytest.mark.parametrize("family", ADDERS)
def test_linears_whose_output_is_added_to_the_layers(family):
    structure, layer, run = structure_of(family)
    assert structure.residual == ADDERS[family]
    with torch.no_grad():
        before = run()
        for name in structure.residual:
            handle = layer.get_submodule(name).register_forward_hook(lambda _, __, output: output + 2)
            torch.testing.assert_close(run(), before + 2)
            handle.remove()


@torch.no_grad()
def test_scaling_every_group_keeps_the_function():
    structure, layer, run = structure_of("llama")
    before = run()
    for group in structure.scale_groups:
        apply_scale(layer, group, 0.5 + torch.rand(layer.get_submodule(group.linears[0]).in_features))
    torch.testing.assert_close(run(), before, rtol=1e-4, atol=1e-4)


def test_linears_that_share_an_input_are_listed_together():
    structure, _, _ = structure_of("qwen3")
    assert structure.shared_inputs == (ATTENTION[2], ("self_attn.o_proj",), MLP[2], ("mlp.down_proj",))


def test_largest_outputs_count_the_bias():
    layer = nn.ModuleDict({"before": nn.Linear(2, 3), "after": nn.Linear(2, 2)})
    layer["before"].weight.data = torch.tensor([[9.0, 9.0], [1.0, -2.0], [0.5, 0.0]])
    layer["before"].bias.data = torch.tensor([9.0, 0.0, -4.0])
    assert output_magnitudes(layer, ScaleGroup("before", 0.0, ("after",), "after"), 2).tolist() == [2.0, 4.0]
