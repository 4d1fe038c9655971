"""Masks that the attention operator makes itself are left to it, all others told."""

import pytest
import torch
from transformers import masking_utils as masks

from tyllm.llm.attention_mask import mask, window_of

IDS = torch.zeros(1, 4)
CAUSAL = masks.causal_mask_function


@pytest.mark.parametrize(
    "function",
    [
        None,
        CAUSAL,
        masks.chunked_causal_mask_function(4, IDS[0]),
        masks.and_masks(CAUSAL, masks.packed_sequence_mask_function(IDS), masks.padding_mask_function(IDS)),
        masks.add_offsets_to_mask_function(CAUSAL, 1, 1),
        masks.or_masks(CAUSAL, masks.blockwise_overlay(IDS)),
    ],
    ids=["none", "causal", "chunks", "packed", "offset", "images"],
)
def test_causal_masks(function):
    assert mask(1, 2, mask_function=function) is None
    assert window_of(None) == 0


def test_a_window_is_told():
    function = masks.and_masks(masks.sliding_window_causal_mask_function(4), masks.packed_sequence_mask_function(IDS))
    assert window_of(mask(q_length=2, kv_length=3, mask_function=function)) == 4


@pytest.mark.parametrize(
    "function",
    [
        masks.bidirectional_mask_function,
        masks.or_masks(CAUSAL, masks.bidirectional_mask_function),
        masks.and_masks(CAUSAL, lambda *_: True),
    ],
    ids=["bidirectional", "either", "own"],
)
def test_others_are_told(function):
    made = mask(1, q_length=2, kv_length=3, mask_function=function)
    assert made.shape == (1, 1, 2, 3)
    assert window_of(made) is None
