"""Hugging Face's attention becomes one operator, or says what it cannot be."""

from types import SimpleNamespace

import pytest
import torch

from tyllm.llm.attention import IMPLEMENTATION, attention, register
from tyllm_base.errors import UnsupportedError

Q, KV = torch.ones(1, 4, 3, 8), torch.ones(1, 2, 3, 8)


class Layer(torch.nn.Module):
    """What transformers passes as the calling module."""

    layer_idx = 1
    is_causal = True
    config = SimpleNamespace()


@pytest.fixture(autouse=True, scope="module")
def registered():
    register()


def test_registered():
    from transformers import AttentionInterface

    assert AttentionInterface()[IMPLEMENTATION] is attention


def test_it_means_what_torch_does():
    torch.manual_seed(0)
    q, k, v = torch.randn(1, 4, 3, 8), torch.randn(1, 2, 3, 8), torch.randn(1, 2, 3, 8)
    result, weights = attention(Layer(), q, k, v, None)
    expected = torch.nn.functional.scaled_dot_product_attention(q, k, v, is_causal=True, enable_gqa=True)
    torch.testing.assert_close(result, expected.transpose(1, 2))
    assert weights is None


def test_sinks_and_chunks_reach_the_operator():
    torch.manual_seed(0)
    q, k, v, sinks = torch.randn(1, 4, 3, 8), torch.randn(1, 2, 3, 8), torch.randn(1, 2, 3, 8), torch.randn(4)
    layer = Layer()
    layer.config = SimpleNamespace(layer_types=["full_attention", "chunked_attention"], attention_chunk_size=2)
    result, _ = attention(layer, q, k, v, None, s_aux=sinks)
    expected = torch.ops.tytvm.attention(q, k, v, 1, 8**-0.5, chunk=2, sinks=sinks)
    torch.testing.assert_close(result, expected)
    layer.layer_idx = 0
    torch.testing.assert_close(attention(layer, q, k, v, None)[0], torch.ops.tytvm.attention(q, k, v, 0, 8**-0.5))


class Encoder(Layer):
    """Sees the future."""

    is_causal = False


@pytest.mark.parametrize(
    ("layer", "arguments", "words"),
    [
        (Layer(), {"attention_mask": torch.ones(1, 1, 3, 3)}, "Layer wants a mask of its own"),
        (Encoder(), {"attention_mask": None}, "Encoder is not causal"),
    ],
)
def test_what_cannot_be_compiled(layer, arguments, words):
    with pytest.raises(UnsupportedError, match=f"{words}, which cannot be compiled") as caught:
        attention(layer, Q, KV, KV, **arguments)
    assert caught.value.exit_code == 5
