"""The masks that transformers asks for: the attention operator makes causal ones itself, and no others."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator

import torch

MADE = {"causal_mask_function", "sliding_window_overlay", "chunked_overlay"}
"""What the operator does itself, by transformers' names."""
ALL_VISIBLE = {"padding_mask_function", "packed_sequence_mask_function"}
"""What hides nothing in a step: it has one sequence and no padding."""
WITHIN_IMAGES = {"blockwise_overlay"}
"""What shows more than causal attention to the tokens of images alone, of which a step of text has none."""


def mask(
    *_: object,
    q_length: int = 1,
    kv_length: int = 1,
    mask_function: Callable[..., object] | None = None,
    **__: object,
) -> torch.Tensor | None:
    """Transformers' mask function: None of a causal mask, which the operator makes; of any other a tensor.

    An attention that is given the tensor is refused (`attention.py`); a model may make a mask that it does not use.
    """
    names = set(_names(mask_function)) if mask_function is not None else set()
    return torch.ones(1, 1, q_length, kv_length, device="meta") if names - MADE - ALL_VISIBLE - WITHIN_IMAGES else None


def _names(mask_function: Callable[..., object]) -> Iterator[str]:
    """The names of the mask functions that one is made of; of one that is not, its own."""
    name = mask_function.__qualname__.partition(".")[0]
    inner = inspect.getclosurevars(mask_function).nonlocals
    if name in ("and_masks", "or_masks"):
        for part in inner["mask_functions"]:
            yield from _names(part)
    elif name == "add_offsets_to_mask_function":
        yield from _names(inner["mask_function"])
    else:
        yield name
