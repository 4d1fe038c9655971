"""Attention in a model's own code is recognized by what it computes, and the operator takes its place."""

import pytest
import torch

from tyllm.llm.own_attention import OwnAttention, recognize, replace
from tyllm_base.errors import UnsupportedError
from tytvm.capture import capture

HEADS, WIDTH, TOKENS = 2, 4, 12
SLOPES = torch.tensor([0.5, 0.0625])


class Attends(torch.nn.Module):
    """Attention with a mask and a bias; `form` makes what the softmax is given of scores and places."""

    def __init__(self, form, joined=False):
        super().__init__()
        self.form, self.joined = form, joined
        self.register_buffer("table", torch.linspace(0, 1, 100), persistent=False)

    def forward(self, positions, x):
        q, k, v = (x.view(1, -1, HEADS, WIDTH).transpose(1, 2) * factor for factor in (1.0, 2.0, 3.0))
        if self.joined:
            q, k, v = (each.flatten(0, 1) for each in (q, k, v))
        scores = q @ k.transpose(-1, -2)
        weights = self.form(self, scores, positions[0], x).softmax(-1)
        return (weights @ v).view(1, HEADS, -1, WIDTH).transpose(1, 2).flatten(2)


def hidden(scores, place, window=1000):
    distance = place.unsqueeze(1) - place
    return scores.masked_fill((distance < 0) | (distance >= window), torch.finfo(torch.float32).min)


def causal(module, scores, place, x):
    return hidden(scores / 8, place)


def added(module, scores, place, x):
    """GPT's: a triangle of ones, and −10,000 elsewhere."""
    seen = (place.unsqueeze(1) >= place).float()
    return scores * seen + -1e4 * (1 - seen)


def window(module, scores, place, x):
    return hidden(scores, place, 3)


def alibi_of_keys(module, scores, place, x):
    """BLOOM's: by the place of the key alone."""
    return hidden(scores * 0.5 + SLOPES.to(scores.device).view(2, 1, 1) * place, place)


def encoder(module, scores, place, x):
    return scores


def learned(module, scores, place, x):
    return hidden(scores + module.table[(place.unsqueeze(1) - place).clamp(0) ** 2 % 100], place)


def capped(module, scores, place, x):
    return hidden(50 * torch.tanh(scores / 50), place)


def clamped(module, scores, place, x):
    return hidden(scores.clamp(min=-100), place)


def of_one_head(module, scores, place, x):
    return hidden(scores * SLOPES.to(scores.device).view(2, 1, 1), place)


def of_the_text(module, scores, place, x):
    return hidden(scores + x[0, :, 0], place)


def captured(form, tokens, joined=False):
    module = Attends(form, joined)
    with torch.device("meta"):
        inputs = {"positions": torch.zeros(1, tokens, dtype=torch.int64), "x": torch.zeros(1, tokens, HEADS * WIDTH)}
    return module, capture(module, inputs)


KNOWN = [
    (causal, OwnAttention(0.125, 0, None)),
    (added, OwnAttention(1.0, 0, None)),
    (window, OwnAttention(1.0, 3, None)),
    (alibi_of_keys, OwnAttention(0.5, 0, (0.5, 0.0625))),
]


@pytest.mark.parametrize("joined", [False, True], ids=["four axes", "three axes"])
@pytest.mark.parametrize(("form", "expected"), KNOWN)
def test_recognized_in_many_tokens_and_replaced_in_any(form, expected, joined):
    (own,) = recognize(captured(form, TOKENS, joined)[1])
    assert own == expected
    for tokens in (1, 5):
        module, found = captured(form, tokens, joined)
        replace(found, [own])
        names = [node.name for node in found.graph_module.graph.find_nodes(op="placeholder")]
        given = {"positions": torch.arange(tokens).unsqueeze(0), "x": torch.randn(1, tokens, HEADS * WIDTH)}
        (result,) = found.graph_module(*(({**given, **found.constants})[name] for name in names))
        torch.testing.assert_close(result, module(**given))
        targets = [node.target for node in found.graph_module.graph.nodes]
        assert torch.ops.tytvm.attention.default in targets and torch.ops.aten.softmax.int not in targets


@pytest.mark.parametrize(
    ("form", "words"),
    [
        (encoder, "sees other tokens than those before it"),
        (learned, "adds to its scores what is no multiple of the distance"),
        (capped, "does more to its scores than scaling them all alike"),
        (clamped, "does more to its scores than scaling them all alike"),
        (of_one_head, "does more to its scores than scaling them all alike"),
        (of_the_text, "adds to its scores what depends on the text"),
    ],
)
def test_what_no_operator_does(form, words):
    with pytest.raises(UnsupportedError, match=f"{words}, which cannot be compiled; choose another model"):
        recognize(captured(form, TOKENS)[1])


def test_a_softmax_that_is_no_attention_is_left():
    class Router(torch.nn.Module):
        def forward(self, positions, x):
            return (x @ x.mT).softmax(-1) + positions

    with torch.device("meta"):
        inputs = {"positions": torch.zeros(1, 4, dtype=torch.int64), "x": torch.zeros(1, 4, 4)}
    assert recognize(capture(Router(), inputs)) == ()
