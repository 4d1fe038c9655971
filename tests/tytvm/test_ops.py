"""The operators' eager meaning against torch's own functions, their shape functions against what they return."""

import importlib

import pytest
import torch
import torch.nn.functional as F
from torch._subclasses.fake_tensor import FakeTensorMode

from tytvm import ops

OPS = torch.ops.tytvm


@pytest.fixture(autouse=True)
def seed():
    torch.manual_seed(0)


def sample(name):
    """Arguments that fit the operator."""
    q, k, v = torch.randn(1, 4, 5, 8), torch.randn(1, 2, 5, 8), torch.randn(1, 2, 5, 6)
    return {
        "rms_norm": (torch.randn(1, 5, 8), torch.randn(8), 1e-6),
        "rope": (q, torch.randn(1, 5, 8), torch.randn(1, 5, 8)),
        "swiglu": (torch.randn(1, 5, 8), torch.randn(1, 5, 8)),
        "quick_gelu": (torch.randn(1, 5, 8),),
        "attention": (q, k, v, 3, 0.25, 2, 30.0),
        "segment_attention": (q, k, v, torch.tensor([0, 2, 5], dtype=torch.int32), 0.25),
        "experts": (
            torch.randn(5, 8),
            torch.tensor([[0, 2], [1, 0], [2, 1], [0, 1], [1, 2]]),
            torch.rand(5, 2),
            torch.randn(3, 12, 8),
            torch.randn(3, 8, 6),
            "silu",
        ),
        "all_reduce": (torch.randn(1, 5, 8),),
        "embedding": (torch.tensor([[3, 9, 4]]), torch.tensor([3]), torch.randn(4, 8, dtype=torch.float16)),
    }[name]


@pytest.mark.parametrize("name", list(ops.OPERATORS))
def test_shape_function_tells_what_the_meaning_returns(name):
    arguments = sample(name)
    real = getattr(OPS, name)(*arguments)
    mode = FakeTensorMode()
    fakes = [mode.from_tensor(a) if isinstance(a, torch.Tensor) else a for a in arguments]
    with mode:
        fake = getattr(OPS, name)(*fakes)
    assert (fake.shape, fake.dtype) == (real.shape, real.dtype)


def test_importing_again_changes_nothing():
    importlib.reload(ops)
    assert OPS.all_reduce(torch.ones(2)).tolist() == [1.0, 1.0]


def test_rms_norm_is_torchs():
    x, weight, eps = sample("rms_norm")
    torch.testing.assert_close(OPS.rms_norm(x, weight, eps), F.rms_norm(x, (8,), weight, eps))


def test_rope_turns_each_pair_by_its_angle():
    x = torch.randn(1, 4, 5, 8)
    angle = torch.randn(1, 5, 4)
    table = torch.cat((angle, angle), -1)
    out = OPS.rope(x, table.cos(), table.sin())
    turned = torch.complex(x[..., :4], x[..., 4:]) * torch.polar(torch.ones_like(angle), angle).unsqueeze(1)
    torch.testing.assert_close(out, torch.cat((turned.real, turned.imag), -1))


def test_swiglu_is_gate_times_its_sigmoid_times_up():
    gate, up = sample("swiglu")
    torch.testing.assert_close(OPS.swiglu(gate, up), gate * gate.sigmoid() * up)


@pytest.mark.parametrize("window", [0, 1, 3, 5, 100])
def test_attention_is_torchs_with_the_mask_of_the_window(window):
    q, k, v = sample("attention")[:3]
    tokens = range(5)
    mask = torch.tensor([[t <= s and (window == 0 or s - t < window) for t in tokens] for s in tokens])
    expected = F.scaled_dot_product_attention(q, k, v, attn_mask=mask, scale=0.25, enable_gqa=True)
    torch.testing.assert_close(OPS.attention(q, k, v, 0, 0.25, window, 0.0), expected.transpose(1, 2))


@pytest.mark.parametrize("chunk", [1, 2, 5])
def test_attention_within_chunks_is_that_of_each_chunk(chunk):
    q, k, v = sample("attention")[:3]
    parts = [[x[:, :, start : start + chunk] for x in (q, k, v)] for start in range(0, 5, chunk)]
    expected = torch.cat([OPS.attention(*part, 0, 0.25) for part in parts], dim=1)
    torch.testing.assert_close(OPS.attention(q, k, v, 0, 0.25, chunk=chunk), expected)


def test_slopes_are_what_a_score_falls_with_the_distance():
    q, k, v = sample("attention")[:3]
    slopes, place = torch.rand(4), torch.arange(5)
    bias = -slopes.view(1, 4, 1, 1) * (place.unsqueeze(1) - place)
    bias = bias.masked_fill(torch.ones(5, 5).triu(1).bool(), -torch.inf)
    expected = F.scaled_dot_product_attention(q, k, v, attn_mask=bias, scale=0.25, enable_gqa=True)
    torch.testing.assert_close(OPS.attention(q, k, v, 0, 0.25, slopes=slopes), expected.transpose(1, 2))


def test_a_sink_is_a_token_without_a_value():
    q, k, v = sample("attention")[:3]
    sinks = torch.randn(4)
    scores = (q @ k.repeat_interleave(2, 1).mT * 0.25).masked_fill(torch.ones(5, 5).triu(1).bool(), -torch.inf)
    total = scores.exp().sum(-1, keepdim=True) + sinks.exp().view(1, 4, 1, 1)
    expected = (scores.exp() / total @ v.repeat_interleave(2, 1)).transpose(1, 2)
    torch.testing.assert_close(OPS.attention(q, k, v, 0, 0.25, sinks=sinks), expected)


@pytest.mark.parametrize("bounds", [None, [0, 5], [0, 2, 5], [0, 1, 2, 5], [0, 0, 5, 5]])
def test_segment_attention_is_torchs_with_the_mask_of_the_segments(bounds):
    q, k, v = sample("attention")[:3]
    edges = bounds or [0, 5]
    segment = [next(i for i in range(len(edges) - 1) if edges[i] <= token < edges[i + 1]) for token in range(5)]
    mask = torch.tensor([[a == b for b in segment] for a in segment])
    expected = F.scaled_dot_product_attention(q, k, v, attn_mask=mask, scale=0.25, enable_gqa=True)
    given = None if bounds is None else torch.tensor(bounds, dtype=torch.int32)
    torch.testing.assert_close(OPS.segment_attention(q, k, v, given, 0.25), expected.transpose(1, 2))


def test_softcap_bounds_the_scores():
    q, k, v = sample("attention")[:3]
    nearly_even = OPS.attention(q, k, v, 0, 1000.0, 0, 1e-6)
    running_mean = v.cumsum(2) / torch.arange(1, 6).view(1, 1, 5, 1)
    torch.testing.assert_close(nearly_even, running_mean.repeat_interleave(2, 1).transpose(1, 2), atol=1e-4, rtol=1e-4)


def test_embedding_of_another_dies_token_is_zero():
    tokens, first, table = sample("embedding")
    out = OPS.embedding(tokens, first, table)
    assert out.dtype == torch.float32
    torch.testing.assert_close(out[0], torch.stack((table[0], torch.zeros(8).half(), table[1])).float())


def test_experts_are_transformers_own():
    from transformers import AutoConfig
    from transformers.models.mixtral.modeling_mixtral import MixtralExperts

    config = AutoConfig.for_model("mixtral", hidden_size=8, intermediate_size=6, num_local_experts=3)
    experts = MixtralExperts(config)
    x, chosen, weight, gate_up, down, activation = sample("experts")
    with torch.no_grad():
        experts.gate_up_proj.copy_(gate_up)
        experts.down_proj.copy_(down)
        expected = experts(x, chosen, weight)
    torch.testing.assert_close(OPS.experts(x, chosen, weight, gate_up, down, activation), expected)


def test_experts_with_biases_are_transformers_own():
    from transformers import AutoConfig
    from transformers.models.gpt_oss.modeling_gpt_oss import GptOssExperts

    sizes = {"hidden_size": 8, "intermediate_size": 6, "num_local_experts": 3}
    experts = GptOssExperts(AutoConfig.for_model("gpt_oss", **sizes, experts_implementation="eager"))
    x, chosen, weight, gate_up, down, _ = sample("experts")
    gate_up, biases = 9 * gate_up, (9 * torch.randn(3 * 12), torch.randn(3 * 8))  # some are beyond the limit of 7
    with torch.no_grad():  # its gates are the even columns
        experts.gate_up_proj.copy_(gate_up.unflatten(1, (2, 6)).transpose(1, 2).flatten(1, 2).transpose(1, 2))
        experts.gate_up_proj_bias.copy_(biases[0].view(3, 2, 6).transpose(1, 2).flatten(1, 2))
        experts.down_proj.copy_(down.transpose(1, 2))
        experts.down_proj_bias.copy_(biases[1].view(3, 8))
        expected = experts(x, chosen, weight)
    torch.testing.assert_close(OPS.experts(x, chosen, weight, gate_up, down, "quick_gelu", 7.0, 1.0, *biases), expected)
