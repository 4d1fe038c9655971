"""Counts of a step's tokens become its positions; other counts of the same length stay."""

import pytest
import torch
from tests.tytvm.small_graph import Calculation

from tyllm.llm.own_positions import counted_positions, use_positions
from tyllm_base.errors import UnsupportedError
from tytvm.capture import capture


def captured(function, tokens):
    inputs = {name: torch.zeros(1, tokens, dtype=torch.int64, device="meta") for name in ("tokens", "positions")}
    return capture(Calculation(lambda tokens, positions: function(tokens)), inputs)


def counts(tokens):
    """A count of six channels, one that nothing reads, one of the tokens from another start, and theirs."""
    size, device = tokens.shape[1], tokens.device
    torch.arange(size, device=device)
    channels = torch.arange(6, device=device).sum() + torch.arange(1, size + 1, device=device).sum()
    return tokens * 100 + torch.arange(0, size, device=device) + channels


def test_counts_of_tokens():
    places = counted_positions(captured(counts, 6), lambda tokens: captured(counts, tokens), 6)
    step = captured(counts, 3)
    use_positions(step, places)
    tokens, positions = torch.tensor([[5, 6, 7]]), torch.tensor([[10, 30, 20]])
    for node in step.graph_module.graph.nodes:
        node.kwargs = {**node.kwargs, "device": torch.device("cpu")} if "device" in node.kwargs else node.kwargs
    step.graph_module.recompile()
    assert torch.equal(step.graph_module(tokens, positions)[0], tokens * 100 + positions + 15 + 6)


def test_no_count_of_tokens():
    def fixed(tokens):
        return tokens + torch.arange(6, device=tokens.device).sum()

    assert counted_positions(captured(fixed, 6), lambda tokens: captured(fixed, tokens), 6) == ()
    assert counted_positions(captured(torch.neg, 6), pytest.fail, 6) == ()


def test_steps_that_count_otherwise():
    with pytest.raises(UnsupportedError, match="another way in steps of 3 tokens"):
        use_positions(captured(torch.neg, 3), (0,))
