"""Rotary positions are found over whole heads and over the rotated part of one, and only in the two-halves form."""

import pytest
import torch

HEADS, TOKENS, SIZE = 2, 3, 8


def inputs(size=SIZE):
    """An x [1,H,S,D], cos and sin [1,S,D]."""
    return torch.randn(1, HEADS, TOKENS, SIZE), torch.randn(1, TOKENS, size), torch.randn(1, TOKENS, size)


def rotate_half(x):
    half = x.shape[-1] // 2
    return torch.cat((-x[..., half:], x[..., :half]), dim=-1)


def rotate(x, cos, sin):
    return (x * cos.unsqueeze(1)) + (rotate_half(x) * sin.unsqueeze(1))


def partly(x, cos, sin):
    rotated = cos.shape[-1]
    return torch.cat((rotate(x[..., :rotated], cos, sin), x[..., rotated:]), -1)


def count(graph_module):
    return graph_module.meta["rewrites"]["rope"]


def test_rope(golden):
    assert count(golden(rotate, *inputs())) == 1


def test_rope_of_a_part_of_the_head(golden):
    assert count(golden(partly, *inputs(4))) == 1


def test_an_empty_rest_goes(rewritten):
    graph_module = rewritten(partly, *inputs())
    assert count(graph_module) == 1
    assert [node.name for node in graph_module.graph.nodes] == ["x", "cos", "sin", "rope", "output"]


@pytest.mark.parametrize(
    "formula",
    [
        lambda x, cos, sin: rotate_half(x) * sin.unsqueeze(1) + x * cos.unsqueeze(1),
        lambda x, cos, sin: cos.unsqueeze(1) * x + sin.unsqueeze(1) * rotate_half(x),
    ],
)
def test_any_order(rewritten, formula):
    assert count(rewritten(formula, *inputs())) == 1


def test_query_and_key_share_the_tables(rewritten):
    graph_module = rewritten(lambda x, cos, sin: (rotate(x, cos, sin), rotate(x.exp(), cos, sin)), *inputs())
    assert count(graph_module) == 2


def test_another_reader_of_a_half_does_not_hinder(rewritten):
    graph_module = rewritten(lambda x, cos, sin: (rotate(x, cos, sin), x[..., :4].exp()), *inputs())
    assert count(graph_module) == 1


def test_another_reader_of_a_product_hinders(rewritten):
    def formula(x, cos, sin):
        product = x * cos.unsqueeze(1)
        return product + rotate_half(x) * sin.unsqueeze(1), product.exp()

    assert count(rewritten(formula, *inputs())) == 0


def interleaved(x, cos, sin):
    turned = torch.stack((-x[..., 1::2], x[..., ::2]), -1).flatten(-2)
    return x * cos.unsqueeze(1) + turned * sin.unsqueeze(1)


def uneven(x, cos, sin):
    return x * cos.unsqueeze(1) + torch.cat((-x[..., 2:], x[..., :2]), -1) * sin.unsqueeze(1)


def unnegated(x, cos, sin):
    return x * cos.unsqueeze(1) + torch.cat((x[..., 4:], x[..., :4]), -1) * sin.unsqueeze(1)


def of_another(x, cos, sin):
    return x * cos.unsqueeze(1) + rotate_half(x.exp()) * sin.unsqueeze(1)


def tokens_first(x, cos, sin):
    return x * cos.unsqueeze(-2) + rotate_half(x) * sin.unsqueeze(-2)


def test_tokens_before_heads(rewritten):
    x, table = torch.randn(TOKENS, HEADS, SIZE), torch.randn(TOKENS, SIZE)
    assert count(rewritten(tokens_first, x, table, table.exp())) == 1


def test_tables_with_the_axis_of_the_heads(rewritten):
    x, table = torch.randn(TOKENS, HEADS, SIZE), torch.randn(TOKENS, 1, SIZE)
    assert count(rewritten(lambda x, cos, sin: x * cos + rotate_half(x) * sin, x, table, table.exp())) == 1


def per_head(x, cos, sin):
    return x.transpose(1, 2) * cos.unsqueeze(2) + rotate_half(x.transpose(1, 2)) * sin.unsqueeze(2)


@pytest.mark.parametrize("formula", [interleaved, uneven, unnegated, of_another, per_head])
def test_other_forms_stay(rewritten, formula):
    assert count(rewritten(formula, *inputs())) == 0


def test_tables_of_one_row_for_all_tokens_stay(rewritten):
    x, cos, sin = inputs()
    assert count(rewritten(rotate, x, cos[:, :1], sin[:, :1])) == 0


def test_halves_of_another_axis_stay(rewritten):
    def formula(x, cos, sin):
        turned = torch.cat((-x[:, :, 4:], x[:, :, :4]), 2)
        return x * cos.unsqueeze(1) + turned * sin.unsqueeze(1)

    square = torch.randn(1, 8, 8)
    assert count(rewritten(formula, torch.randn(1, HEADS, 8, 8), square, square)) == 0
